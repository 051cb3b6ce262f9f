// A mount whose daemon takes requests and never answers them: what a caller of such a mount hangs in cannot be ended
// by any signal (famfs daemons that are stuck behave so). For tests of everything that has to survive that.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mountFileSystem, unmount } from '../src/linux/mounts.ts';
import { processState } from '../src/linux/processes.ts';
import { errorCodeOf } from '../src/linux/syscall-error.ts';
import { waitUntil } from './wait-until.ts';

/**
 * Mounts itself at `target`, a directory, and answers INIT so that the mount is complete. Needs real root and a
 * private mount namespace. `end` lets everybody go who hangs in it, with ECONNABORTED, and unmounts.
 */
export class HungFileSystem {
  readonly target: string;
  readonly #fd: number;

  constructor(target: string) {
    this.target = target;
    // Non-blocking, for a read that waits for ever would keep the test itself from ending.
    this.#fd = openSync('/dev/fuse', constants.O_RDWR | constants.O_NONBLOCK);
    const data = `fd=${this.#fd},rootmode=40000,user_id=0,group_id=0,allow_other`;
    mountFileSystem({ source: '/dev/dax9.9', target, type: 'fuse', data });
    this.#answerInit();
  }

  #answerInit(): void {
    const request = Buffer.alloc(8192);
    readSync(this.#fd, request);
    const replyBytes = 80;
    const reply = Buffer.alloc(replyBytes);
    reply.writeUInt32LE(replyBytes, 0);
    request.copy(reply, 8, 8, 16);
    reply.writeUInt32LE(7, 16);
    reply.writeUInt32LE(31, 20);
    reply.writeUInt32LE(4096, 36);
    writeSync(this.#fd, reply);
  }

  /** Waits until somebody has asked for something, and takes the request: from here on that caller is stuck. */
  async takeRequest(): Promise<void> {
    for (;;) {
      try {
        readSync(this.#fd, Buffer.alloc(8192));
        return;
      } catch (error) {
        if (errorCodeOf(error) !== 'EAGAIN') throw error;
      }
      await sleep(2);
    }
  }

  end(): void {
    closeSync(this.#fd);
    unmount(this.target, { detach: true });
  }
}

/** A file system that hangs, and a process in it that has been killed and does not end before that file system does. */
export interface HungCaller {
  readonly caller: ChildProcess;
  /** Settles when both have ended. */
  end(): Promise<void>;
}

/** Mounts a {@link HungFileSystem} and has a process open a file that would be there, and kills it. */
export async function hangForGood(target: string, file: string): Promise<HungCaller> {
  const hung = new HungFileSystem(target);
  try {
    const caller = await stuckCaller(hung, file);
    return {
      caller,
      async end() {
        const ended = once(caller, 'exit');
        hung.end();
        await ended;
      },
    };
  } catch (error) {
    hung.end();
    throw error;
  }
}

/** Only a process whose request was taken is stuck, and others may ask as well. */
async function stuckCaller(hung: HungFileSystem, file: string): Promise<ChildProcess> {
  for (;;) {
    const caller = spawn('cat', [path.join(hung.target, file)], { stdio: 'ignore' });
    await hung.takeRequest();
    caller.kill('SIGKILL');
    const isStuck = (): boolean => processState(caller.pid ?? 0)?.state === 'D';
    await waitUntil('it has ended or cannot', () => caller.signalCode !== null || isStuck());
    if (isStuck()) return caller;
  }
}
