// The tree of names behind a simulated mount: `famfs` writes it at mount, logplay, creat, cp and mkdir; the
// daemon reads it at every lookup. As in famfs, directories are directories and each file is a small YAML that
// says which memory it maps (famfs reference 5.2). Knows nothing of FUSE or of the log.
//
// Signatures (bodies follow):
//   createShadow(shadow)                              mkdir SHADOW/root; throws when `root` is there already
//   addFile(mount, relativePath, file)                writes SHADOW/root/<path> (and in views the hard link); EEXIST when there
//   addDirectory(mount, relativePath, directory)      mkdir under the caller's umask, chown when uid and gid are both nonzero
//   addUnmappedFile(mount, relativePath, mode)        standalone: a name without memory (phantom, local junk)
//   removeEntry(mount, relativePath)                  for repairs by tests; famfs never does it
//   readShadowFile(file): ShadowFile | undefined      undefined = unmapped
//   encodeShadowFile / parseShadowFile

/** What the YAML of one file says. */
export interface ShadowFile {
  readonly sizeBytes: bigint;
  /** Permission bits only. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** In order; of a striped file the strips. The first one's offset names the backing file. */
  readonly extents: readonly { readonly offsetBytes: bigint; readonly lengthBytes: bigint }[];
  /** Chunk size of a striped file. */
  readonly chunkBytes?: bigint;
}
