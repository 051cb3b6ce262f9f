// A certificate authority of one test, in its folder: whoever knows the folder can have certificates issued. Must not know
// who trusts it.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

export interface IssuedCertificate {
  /** PEM */
  readonly certificate: string;
  readonly key: string;
}

export class TestAuthority {
  readonly certificateFile: string;
  /** PEM */
  readonly certificate: string;
  readonly #folder: string;

  /** The authority that `create` made in the folder. */
  constructor(folder: string) {
    this.#folder = folder;
    this.certificateFile = path.join(folder, 'ca.crt');
    this.certificate = readFileSync(this.certificateFile, 'utf8');
  }

  static create(folder: string): TestAuthority {
    // Without a configuration of its own openssl takes the machine's, which says things about certificates.
    writeFileSync(configurationOf(folder), '[req]\ndistinguished_name = name\n[name]\n');
    const extensions = [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign,digitalSignature',
    ];
    const files = { certificate: path.join(folder, 'ca.crt'), key: path.join(folder, 'ca.key') };
    makeCertificate(folder, files, '/CN=famfs-csi test authority', extensions, []);
    return new TestAuthority(folder);
  }

  /** @param alternativeNames such as `IP:127.0.0.1`; none in the certificate of a client */
  issue(
    name: string,
    organizations: readonly string[],
    alternativeNames: readonly string[],
  ): IssuedCertificate {
    const subject = [...organizations.map((group) => `/O=${escaped(group)}`), `/CN=${escaped(name)}`].join(
      '',
    );
    const extensions = [
      'basicConstraints=critical,CA:FALSE',
      `extendedKeyUsage=${alternativeNames.length > 0 ? 'serverAuth' : 'clientAuth'}`,
      ...(alternativeNames.length > 0 ? [`subjectAltName=${alternativeNames.join(',')}`] : []),
    ];
    const folder = mkdtempSync(path.join(this.#folder, 'issued-'));
    try {
      const files = { certificate: path.join(folder, 'crt'), key: path.join(folder, 'key') };
      const authority = ['-CA', this.certificateFile, '-CAkey', path.join(this.#folder, 'ca.key')];
      makeCertificate(this.#folder, files, subject, extensions, authority);
      return { certificate: readFileSync(files.certificate, 'utf8'), key: readFileSync(files.key, 'utf8') };
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
}

function configurationOf(folder: string): string {
  return path.join(folder, 'openssl.cnf');
}

function makeCertificate(
  folder: string,
  files: IssuedCertificate,
  subject: string,
  extensions: readonly string[],
  authority: readonly string[],
): void {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-config', configurationOf(folder), '-days', '2', '-nodes', '-subj', subject],
      ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
      ...['-out', files.certificate, '-keyout', files.key],
      ...extensions.flatMap((extension) => ['-addext', extension]),
      ...authority,
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
}

/** openssl takes `/` and `+` in a subject for its own. */
function escaped(text: string): string {
  return text.replaceAll(/[/+\\=]/g, '\\$&');
}
