import { hardSuite } from './hard-suite.mjs';

hardSuite('nginx');
