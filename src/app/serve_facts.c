/*
 * What the process that reads the network knows of itself. How much memory it
 * has is the kernel's to say: on Linux by a file that is opened before the
 * sandbox and read again from its beginning each time.
 */
#include "app/serve.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/num.h"

/* The second number of /proc/PID/statm: resident pages. */
static uint64_t
resident_bytes(int fd)
{
	uint8_t area[128];
	ssize_t n = pread(fd, area, sizeof area, 0);
	struct slice rest = { area, n > 0 ? (size_t)n : 0 };
	uint64_t pages;

	(void)slice_cut(&rest, ' ');
	return slice_dec(slice_cut(&rest, ' '), UINT32_MAX, &pages) ?
	    pages * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void
facts(struct relay_facts *f)
{
	const struct serve *s = &serve_process;

	_Static_assert((int)RELAY_SHAKES == (int)KERNEL_SHAKES, "");
	memcpy(f->shakes, s->kernel.secure.shakes, sizeof f->shakes);
	if (s->statm_fd >= 0)
		f->resident_bytes = resident_bytes(s->statm_fd);
}

void
serve_facts_open(struct serve *s)
{
	s->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	s->rs.cfg.facts = facts;
}
