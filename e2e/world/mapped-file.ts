// A file that a process in a pod has mapped, and keeps mapped while the scenario goes on. Must not know the scenario.
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { KubeApi, RunningCommand } from './kube-api.ts';

export class MappedFile implements AsyncDisposable {
  readonly sizeBytes: number;
  readonly #command: RunningCommand;
  readonly #answers: AsyncIterator<string>;

  private constructor(command: RunningCommand, answers: AsyncIterator<string>, sizeBytes: number) {
    this.#command = command;
    this.#answers = answers;
    this.sizeBytes = sizeBytes;
  }

  /** Maps all of a file in a pod of the image `mapping`; `rw` for stores. */
  static async open(
    api: KubeApi,
    namespace: string,
    pod: string,
    file: string,
    access: 'r' | 'rw' = 'r',
  ): Promise<MappedFile> {
    const program = ['/opt/famfs-csi/bin/node', '/e2e/mapped-file-main.ts', file, access];
    const command = await api.spawn(namespace, pod, 'main', program);
    const complaints = text(command.stderr);
    const answers = createInterface({ input: command.stdout })[Symbol.asyncIterator]();
    const { value = '' } = await answers.next();
    const size = /^mapped (\d+)$/.exec(value)?.[1];
    if (size === undefined) throw new Error(`${file} is not mapped in ${pod}: ${value}${await complaints}`);
    return new MappedFile(command, answers, Number(size));
  }

  /** The byte at the offset, as the mapping has it now. */
  async load(offset: number): Promise<number> {
    return Number(await this.#ask(`load ${offset}`));
  }

  async store(offset: number, byte: number): Promise<void> {
    await this.#ask(`store ${offset} ${byte}`);
  }

  /** SHA-256 of all bytes as they are now, in hexadecimal. */
  digest(): Promise<string> {
    return this.#ask('digest');
  }

  async #ask(line: string): Promise<string> {
    this.#command.stdin.write(`${line}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`The process that had the file mapped ended at ${JSON.stringify(line)}.`);
    return value;
  }

  /** Ends the process, and with it the mapping. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#command.stdin.end();
    await this.#command.status.catch(() => undefined);
  }
}
