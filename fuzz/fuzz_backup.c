/*
 * A backup that somebody made up: what is taken lies within the text, in the
 * order of the list, and one byte changed anywhere makes it no backup.
 */
#include <stdlib.h>

#include "app/backup.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = { p, n };
	struct backup b, other;
	struct backup_files f = { 0 };
	const uint8_t *from = p;
	size_t line = 0;
	uint8_t *copy;

	(void)backup_list_parse(&f, text);
	if (f.n > BACKUP_FILES)
		abort();
	if (backup_parse(&b, text, &line) != NULL)
		return line == 0 ? abort(), 0 : 0;
	for (size_t i = 0; i < BACKUP_FILES; i++) {
		if (b.files[i].p == NULL)
			continue;
		if (b.files[i].p < from || b.files[i].p + b.files[i].n > p + n)
			abort();
		from = b.files[i].p + b.files[i].n;
	}
	copy = malloc(n);
	if (copy == NULL)
		return 0;
	memcpy(copy, p, n);
	copy[n / 2] ^= 1;
	if (backup_parse(&other, slice_of(copy, n), &line) == NULL)
		abort();
	free(copy);
	return 0;
}
