/*
 * embed VERSION FILE...: print the C source that holds the files, each packed
 * by gzip already, as the table of base/asset.h. Runs on the machine that
 * builds.
 *
 * The tag is FNV-1a over the bytes, 64 bits: it tells a browser's copy from
 * the present one, and nothing depends on it for security.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct type {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".mjs", "text/javascript; charset=utf-8" },
	{ ".json", "application/json" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".ico", "image/x-icon" },
	{ ".txt", "text/plain; charset=utf-8" },
	{ ".woff2", "font/woff2" },
	{ ".webmanifest", "application/manifest+json" },
};

static const char *
type_of(const char *name)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		size_t n = strlen(name), m = strlen(types[i].ending);

		if (n > m && strcmp(name + n - m, types[i].ending) == 0)
			return types[i].type;
	}
	fprintf(stderr, "embed: %s: what content type is this?\n", name);
	exit(1);
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

/* Print the file's bytes as array b<i>; returns their hash. */
static uint64_t
put_bytes(const char *path, int i)
{
	FILE *f = fopen(path, "rb");
	uint64_t hash = 14695981039346656037u;
	size_t n = 0;
	int c;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	printf("static const uint8_t b%d[] = {", i);
	while ((c = getc(f)) != EOF) {
		printf("%s%d,", n++ % 16 == 0 ? "\n" : "", c);
		hash = (hash ^ (uint64_t)c) * 1099511628211u;
	}
	if (ferror(f) || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
	printf("%s\n};\nenum { N%d = %zu };\n", n == 0 ? "0" : "", i, n);
	return hash;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(base_of(*(char *const *)a), base_of(*(char *const *)b));
}

int
main(int argc, char **argv)
{
	uint64_t *hash = calloc((size_t)argc, sizeof *hash);

	if (hash == NULL || argc < 2)
		return 1;
	qsort(argv + 2, (size_t)argc - 2, sizeof *argv, by_name);
	printf("/* made by tools/embed */\n#include \"base/asset.h\"\n");
	for (int i = 2; i < argc; i++)
		hash[i] = put_bytes(argv[i], i);
	printf("const struct asset assets[] = {\n");
	for (int i = 2; i < argc; i++)
		printf("{ SL_INIT(\"%s\"), SL_INIT(\"%s\"),\n    SL_INIT("
		    "\"\\\"%016" PRIx64 "\\\"\"), { b%d, N%d } },\n",
		    base_of(argv[i]), type_of(argv[i]), hash[i], i, i);
	/* A closing row: C knows no empty array. */
	printf("{ .path = { NULL, 0 } },\n};\n"
	    "const size_t assets_n = %d;\n"
	    "const struct slice assets_version = SL_INIT(\"%s\");\n",
	    argc - 2, argv[1]);
	free(hash);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
