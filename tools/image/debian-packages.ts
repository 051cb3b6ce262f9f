// Reads dpkg's own records (deb-control(5)): which packages there are. Must not know what they are for.

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** `amd64`, `arm64` or `all`. */
  readonly architecture: string;
  /** The source package it was built from, and that one's version. */
  readonly source: string;
  readonly sourceVersion: string;
}

/**
 * Reads paragraphs of fields, as in /var/lib/dpkg/status or a package's control file.
 * Packages that are not installed are left out; a control file does not say, and counts.
 */
export function parseDebianPackages(text: string): DebianPackage[] {
  return text
    .split(/\n{2,}/)
    .map(fieldsOf)
    .filter(
      (fields) => fields.has('Package') && (fields.get('Status') ?? ' installed').endsWith(' installed'),
    )
    .map(packageFrom)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The fields of one paragraph; a line that begins with a space goes on with the one before and is left out. */
function fieldsOf(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of paragraph.split('\n')) {
    const match = /^([^\s:]+):\s*(.*)$/.exec(line);
    if (match?.[1] !== undefined) fields.set(match[1], match[2] ?? '');
  }
  return fields;
}

function packageFrom(fields: ReadonlyMap<string, string>): DebianPackage {
  const name = fields.get('Package') ?? '';
  const version = fields.get('Version') ?? '';
  // "Source: gcc-14 (14.2.0-19)"; without it the source is called as the package is.
  const [, source = name, sourceVersion = version] =
    /^(\S+)(?:\s+\((.+)\))?$/.exec(fields.get('Source') ?? '') ?? [];
  return { name, version, architecture: fields.get('Architecture') ?? 'all', source, sourceVersion };
}
