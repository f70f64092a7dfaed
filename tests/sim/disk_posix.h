/* Included before all else when net/data.c is compiled for the simulator. */
#define openat          disk_openat
#define unlinkat        disk_unlinkat
#define linkat          disk_linkat
#define renameat        disk_renameat
#define fsync           disk_fsync
#define write           disk_write
#define read            disk_read
#define close           disk_close
