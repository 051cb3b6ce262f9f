// What famfs and mkfs.famfs print about their use: texts only, as programs and people see them on a real node.
// Must not know how a command works.

export const mountUsage = `
famfs mount: mount a famfs file system and make it ready to use

    famfs mount [args] <memdevice> <mountpoint>

Note: you normally must be root to perform a famfs mount

Arguments:
    -h|-?              - Print this message
    -f|--fuse          - Use famfs via fuse. If specified, the mount will
                         fail if fuse support for famfs is not available.
    -F|--nofuse        - Use the standalone famfs v1 kernel module. If
                         specified, the mount will fail if the famfs v1
                         kernel module is not available
    -t|--timeout       - Fuse metadata timeout in seconds
    -d|--debug         - In fuse mode, the debug option runs the fuse
                         daemon single-threaded, and may enable more
                         verbose logging
    -v|--verbose       - Print verbose output
    -u|--nouseraccess  - Allow non-root access
                         (don't use fuse allow_other mount opt)
    -p|--nodefaultperm - Do not apply normal posix default permissions
                         (don't use fuse default_permissions mount opt)
    -S|--shadow=path   - Path to root of shadow filesystem
    -M|--set-daxmode   - Switch daxdev to famfs mode if needed (kernel >= 7.0 only).
                         Without this flag, mount fails with a clear message if the
                         device is not already in famfs mode. The device is left in
                         famfs mode after a successful mount.
    -L|--load-module   - Call modprobe to load the famfs V1 kernel module before
                         attempting a V1 mount. Without this flag, mount fails with
                         a hint if the module is not loaded. Only affects V1 mounts.

`;

export const fsckUsage = `
famfs fsck: check a famfs file system

This command checks the validity of the superblock and log, and scans the
log for cross-linked files.

Check an unmounted famfs file system
    famfs fsck [args] <memdevice>  # Example memdevice: /dev/dax0.0

Check a mounted famfs file system:
    famfs [args] <mount point>

Arguments:
    -?            - Print this message
    -v|--verbose  - Print debugging output while executing the command
    -M|--set-daxmode - Switch daxdev to famfs mode if needed (kernel >= 7.0,
                       unmounted device only). Without this flag, fsck fails
                       with a clear message if the mode is wrong.
    -L|--load-module - Call modprobe to load the famfs V1 kernel module before
                       checking an unmounted device. Only affects V1 path.
    -F|--nofuse      - Use the standalone famfs v1 path for the internal dummy
                       mount of an unmounted device (overrides FAMFS_MODE and
                       auto-detection).
    --fuse           - Use the fuse path for the internal dummy mount of an
                       unmounted device (overrides FAMFS_MODE and auto-detection).

Exit codes:
  0  - No errors were found
 !=0 - Errors were found

`;

export const logplayUsage = `
famfs logplay: Play the log of a mounted famfs file system

This administrative command is necessary if files have been added by another node
since the file system was mounted (or since the last logplay)

    famfs logplay [args] <mount_point>

Arguments:
    -n|--dryrun  - Process the log but don't instantiate the files & directories
    -v|--verbose - Verbose output


`;

export const creatUsage = `
famfs creat: Create a file in a famfs file system

This tool allocates and creates files.

Create a file backed by free space:
    famfs creat -s <size> <filename>

Create a file containing randomized data from a specific seed:
    famfs creat -s size --randomize --seed <myseed> <filename>

Create a file backed by free space, with octal mode 0644:
    famfs creat -s <size> -m 0644 <filename>

Create two files randomized with separte seeds:
    famfs creat --multi file1,256M,42 --multi file2,256M,43

Create two non-randomized files:
    famfs creat --multi file1,256M --multi file2,256M

Arguments:
    -h|-?                    - Print this message
    -m|--mode <octal-mode>   - Default is 0644
                               Note: mode is ored with ~umask, so the actual mode
                               may be less permissive; see umask for more info
    -u|--uid <int uid>       - Default is caller's uid
    -g|--gid <int gid>       - Default is caller's gid
    -v|--verbose             - Print debugging output while executing the command

Single-file create: (cannot mix with multi-create)
    -s|--size <size>[kKmMgG] - Required file size
    -S|--seed <random-seed>  - Optional seed for randomization
    -r|--randomize           - Optional - will randomize with provided seed

Multi-file create: (cannot mix with single-create)
    -t|--threadct <nthreads> - Thread count in --multi mode
    -M|--multi <fname>,<size>[,<seed>]
                             - This arg can repeat; will create each fiel
                               if non-zero seed specified, will randomize

Interleave arguments:
    -N|--nstrips <n>              - Number of strips to use in interleaved allocations.
    -B|--nbuckets <n>             - Number of buckets to divide the device into
                                    (nstrips && nbuckets) causes strided
                                    allocation within a single device.
    -C|--chunksize <size>[kKmMgG] - Size of chunks for interleaved allocation
                                    (default=256M)

NOTE: the --randomize and --seed arguments are useful for testing; the file is
      randomized based on the seed, making it possible to use the 'famfs verify'
      command later to validate the contents of the file

`;

export const mkfsUsage = `
Create a famfs file system:
    mkfs.famfs [args] <memdevice>  # Example memdevice: /dev/dax0.0

Create a famfs file system with a 256MiB log
    mkfs.famfs --loglen 256m /dev/dax0.0

Note: You must be root to run mkfs.famfs

Arguments:
    -h|-?             - Print this message
    -f|--force        - Will create the file system even if there is already a valid superblock
    -k|--kill         - Will 'kill' existing superblock (also requires -f)
    -l|--loglen <len> - Default loglen: 8 MiB; valid range: >= 8 MiB
    -M|--set-daxmode  - Switch daxdev to famfs mode if needed (kernel >= 7.0 only).
                        Without this flag, mkfs fails with a clear message if the
                        device is not already in famfs mode. The device is left in
                        famfs mode after the operation.
    -F|--nofuse       - Use the standalone famfs v1 path for the internal dummy
                        mount (overrides FAMFS_MODE and auto-detection).
    --fuse            - Use the fuse path for the internal dummy mount
                        (overrides FAMFS_MODE and auto-detection).

`;

export const famfsUsage = `famfs: perform operations on a mounted famfs file system for specific files or devices
famfs [global_args] <command> [args]

Global args:
	--dryrun
Commands:
	mount
	fsck
	check
	mkdir
	cp
	creat
	flush
	verify
	mkmeta
	logplay
	getmap
	clone
	chkread
`;

// Texts of the commands below are the simulator's own: only their first line and their place are famfs's.

export const cpUsage = `
famfs cp: Copy one or more files and directories into a famfs file system

    famfs cp [args] <srcfile> <destfile>
    famfs cp [args] <srcfile>... <dirpath>

Arguments:
    -h|-?                         - Print this message
    -r|--recursive                - Copy what is in a directory
    -c|--compare                  - Compare instead of copying
    -t|--threadct <nthreads>      - Copy threads
    -m|--mode <octal-mode>        - Mode of the new files
    -u|--uid <uid>, -g|--gid <gid>
    -N|--nstrips <n>, -B|--nbuckets <n>, -C|--chunksize <size>[kKmMgG]

`;

export const mkdirUsage = `
famfs mkdir: Create a directory in a famfs file system:

    famfs mkdir [args] <dirname>

Arguments:
    -h|-?            - Print this message
    -p|--parents     - Make missing parents too; an existing directory is no error
    -m|--mode=<mode> - Octal mode
    -u|--uid=<uid>, -g|--gid=<gid>
`;

export const checkUsage = `
famfs check: check the contents of a famfs file system.

    famfs check [args] <mount point>

Arguments:
    -h|-?        - Print this message
    -v|--verbose - Say more

`;

export const getmapUsage = `
famfs getmap: show which memory a famfs file maps

    famfs getmap [args] <filename>

Arguments:
    -q|--quiet - The exit status is the answer
    -c         - Go on after an error
    -h|-?      - Print this message

`;

export const verifyUsage = `
famfs verify: Verify the contents of a file that was created with 'famfs creat':
    famfs verify -S <seed> -f <filename>

Arguments:
    -h|-?                        - Print this message
    -f|--filename <filename>     - File to verify
    -S|--seed <random-seed>      - Seed it was made with
    -m|--multi <filename>,<seed> - Several files; may repeat
    -t|--threadct <nthreads>     - Threads
    -q|--quiet                   - Say nothing of success

`;

export const flushUsage = `
famfs flush: Flush or invalidate the processor cache for an entire file

    famfs flush [args] <file> [<file> ...]

Arguments:
    -v           - Verbose output
    -h|-?        - Print this message

`;

export const chkreadUsage = `
famfs chkread: verify that the contents of a file match via read and mmap

    famfs chkread <famfs-file>

Arguments:
    -h|-?  - Print this message
    -s     - File is famfs superblock
    -l     - File is famfs log

`;

export const cloneUsage = `
famfs clone: Clone a file within a famfs file system

    famfs clone <src_file> <dest_file>

`;

export const mkmetaUsage = `
famfs mkmeta:

    famfs mkmeta <memdevice>

`;
