// Makes a file system on a device: on one that carries nothing, or in place of exactly the one that is named. Everything
// that speaks against it is looked for first, under the machine's lock, and what was made is read back (design 6, rule 10;
// docs/adr/0016-formatting-a-device.md).
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { logLengthText } from '../famfs/command-values.ts';
import type { FamfsCommands } from '../famfs/famfs-commands.ts';
import { logHeaderBytes } from '../famfs/log-header.ts';
import type { OutcomeOf } from '../famfs/outcome.ts';
import type { DaxDevice } from '../linux/dax-devices.ts';
import type { Logger } from '../observe/logger.ts';
import { sizeText } from '../size-text.ts';
import type { CommandQueue } from './command-queue.ts';
import { type DeviceContents, type DeviceLooks, isWithoutSuperblock } from './device-looks.ts';
import { unsuitability } from './device-suitability.ts';
import { causeOf } from './failure-cause.ts';
import { describeHolders, holdersOfDevice, refuseHeldDevice, refuseOpenDevice } from './holders.ts';
import type { MounterSettings } from './mounter-settings.ts';
import type { Role } from './pool-state.ts';

export interface FormatOrder {
  /** The kernel's name on this node, such as dax0.0. */
  readonly device: string;
  /** A power of two of at least 8 MiB; 0 for what famfs takes by itself. */
  readonly logSizeBytes: bigint;
  /** Empty: the device must carry nothing. Else the file system that it must carry, and that ends. */
  readonly replaceUuid: string;
}

export interface DeviceFormattingParts {
  readonly settings: Pick<MounterSettings, 'allowFormat' | 'allowDriverSwitch' | 'poolDir'>;
  readonly listDevices: () => DaxDevice[];
  readonly looks: DeviceLooks;
  readonly commands: FamfsCommands;
  /** One for the machine: mount, mkfs and fsck by device. */
  readonly machineQueue: CommandQueue;
  /** This node's role in a file system whose superblock names that system. */
  readonly roleIn: (systemUuid: string) => Role;
  readonly log: Logger;
}

const logEntryBytes = 544n;
/** Superblock and one file of one allocation unit (famfs reference 2). */
const bytesBesideLog = 2n * 0x200000n;

export class DeviceFormatting {
  readonly #parts: DeviceFormattingParts;

  constructor(parts: DeviceFormattingParts) {
    this.#parts = parts;
  }

  /**
   * Formats a device. Once begun it goes on whoever withdraws; after a call whose answer was lost, the next one names the file
   * system that was made: as `device-not-empty` (or `pool-reformatted`, when one was to be replaced), or as `pool-in-use` when
   * the mounter has mounted it meanwhile.
   * @returns the UUID of the new file system
   * @throws DriverError `format-refused`, `invalid-argument`, `device-not-found`, `device-unsuitable`, `device-not-empty`,
   *   `device-in-use`, `pool-in-use`, `pool-held-elsewhere`, `superblock-refused`, `pool-reformatted`, `not-master`,
   *   `pool-busy`, and famfs's own; nothing was changed then, unless the message says so
   */
  format(order: FormatOrder, signal: AbortSignal): Promise<string> {
    this.#requireConsent(order);
    requireSaneOrder(order);
    return this.#parts.machineQueue.run((lockFd) => this.#formatLocked(order, lockFd), { signal });
  }

  #requireConsent({ device, replaceUuid }: FormatOrder): void {
    const { allowFormat } = this.#parts.settings;
    if (allowFormat === 'reset' || (allowFormat === 'once' && replaceUuid === '')) return;
    const what = replaceUuid === '' ? 'No device' : 'No device that carries a file system';
    const flag = replaceUuid === '' ? 'once or reset' : 'reset';
    throw new DriverError(
      'format-refused',
      `${what} of this node is formatted (--allow-format=${allowFormat}), so ${device} is not. Set --allow-format to ${flag} on the mounter for as long as it takes.`,
    );
  }

  async #formatLocked(order: FormatOrder, lockFd: number): Promise<string> {
    const device = this.#suitableDevice(order);
    await this.#parts.looks.clearLeftovers(device);
    this.#refuseMounted(device, order.replaceUuid);
    await refuseOpenDevice(device);
    const before = await this.#contents(device, lockFd);
    if (order.replaceUuid === '') requireEmpty(device, before, this.#parts.roleIn);
    else this.#requireReplaceable(device, before, order.replaceUuid);
    return this.#make(device, order, lockFd);
  }

  #suitableDevice({ device: name, logSizeBytes }: FormatOrder): DaxDevice {
    const { listDevices, settings } = this.#parts;
    const devices = listDevices();
    const device = devices.find((each) => each.name === name);
    if (device === undefined) {
      const names = devices.map((each) => each.name).join(', ') || 'none';
      throw new DriverError('device-not-found', `This node has no device ${name}; it has ${names}.`);
    }
    const unsuitable = unsuitability(device, settings.allowDriverSwitch);
    if (unsuitable !== undefined) throw new DriverError(unsuitable.reason, unsuitable.message);
    if (logSizeBytes + bytesBesideLog > device.sizeBytes) {
      throw new DriverError(
        'invalid-argument',
        `A log of ${sizeText(logSizeBytes)} leaves no room for files on ${name}, which has ${sizeText(device.sizeBytes)}.`,
      );
    }
    return device;
  }

  /** In any mount namespace of the machine. Names the pool that is mounted: it may be what an earlier call has made. */
  #refuseMounted(device: DaxDevice, replaceUuid: string): void {
    const { poolDir } = this.#parts.settings;
    const holders = holdersOfDevice(device.path);
    const places = holders.flatMap(({ mountPoints }) => mountPoints);
    const foundUuid = places.map((place) => poolMountedAt(place, poolDir)).find((uuid) => uuid !== undefined);
    if (foundUuid === undefined) {
      refuseHeldDevice(device.path);
      return;
    }
    const another =
      replaceUuid === '' || replaceUuid === foundUuid
        ? ''
        : `, and it is not ${replaceUuid}, which was to be replaced`;
    throw new DriverError(
      'pool-in-use',
      `Device ${device.name} serves the pool ${foundUuid}, which is mounted on this node by ${describeHolders(holders)}${another}. Release that pool first; nothing is formatted under a mount.`,
      { details: { foundUuid } },
    );
  }

  /** What the device carries; undefined when that is no famfs, nor what is left of one. */
  async #contents(device: DaxDevice, lockFd: number): Promise<DeviceContents | undefined> {
    try {
      return await this.#parts.looks.look(device, device.driver, lockFd);
    } catch (error) {
      if (isWithoutSuperblock(error)) return undefined;
      throw error;
    }
  }

  #requireReplaceable(device: DaxDevice, before: DeviceContents | undefined, replaceUuid: string): void {
    if (before === undefined) {
      throw new DriverError(
        'superblock-refused',
        `Device ${device.name} carries no famfs file system, so not ${replaceUuid} either: its memory has lost it, or it is another device. It is not formatted; ask for an empty device to be formatted if that is what it is.`,
      );
    }
    const { fileSystemUuid, systemUuid } = before;
    if (fileSystemUuid !== replaceUuid) {
      throw new DriverError(
        'pool-reformatted',
        `Device ${device.name} carries the file system ${fileSystemUuid}${this.#whose(systemUuid)}, not ${replaceUuid}, which was to be replaced. It is not formatted.`,
        { details: { expectedUuid: replaceUuid, foundUuid: fileSystemUuid } },
      );
    }
    if (this.#parts.roleIn(systemUuid) === 'master') return;
    throw new DriverError(
      'not-master',
      `This node is a client of pool ${replaceUuid} on ${device.name}; only the node that formatted it formats it again.`,
    );
  }

  #whose(systemUuid: string): string {
    return whose(this.#parts.roleIn(systemUuid));
  }

  async #make(device: DaxDevice, order: FormatOrder, lockFd: number): Promise<string> {
    const { commands, looks, log } = this.#parts;
    const { logSizeBytes, replaceUuid } = order;
    log.info('device is being formatted', { device: device.name, replaced: replaceUuid });
    const outcome = await commands.mkfs(
      {
        device: device.path,
        ...(logSizeBytes === 0n ? {} : { logLengthBytes: logSizeBytes }),
        // Without it famfs looks once more for a superblock itself, under its own hold on the device.
        ...(replaceUuid === '' ? {} : { force: true }),
      },
      { lockFd },
    );
    try {
      await looks.clearAfter(outcome.leftovers, device);
      const after = await this.#contents(device, lockFd);
      const uuid = this.#requireMade(device, order, outcome, after);
      log.info('device formatted', { device: device.name, pool: uuid, replaced: replaceUuid });
      return uuid;
    } catch (error) {
      throw outcome.kind === 'ok'
        ? unproven(device, outcome.details.superblock.fileSystemUuid, error)
        : error;
    }
  }

  /** By what the device carries now; what famfs said decides only when that is nothing new (mounter's rule 2). */
  #requireMade(
    device: DaxDevice,
    { logSizeBytes, replaceUuid }: FormatOrder,
    outcome: OutcomeOf<'mkfs'>,
    after: DeviceContents | undefined,
  ): string {
    const fail = (message: string): DriverError => new DriverError('command-failed', message);
    if (after === undefined || after.fileSystemUuid === replaceUuid) {
      if (outcome.kind !== 'ok') throw causeOf(outcome, device);
      throw fail('the device does not carry it.');
    }
    const { fileSystemUuid, systemUuid, log } = after;
    if (outcome.kind === 'ok' && outcome.details.superblock.fileSystemUuid !== fileSystemUuid)
      throw fail(`the device carries ${fileSystemUuid}: another host formatted it at the same time.`);
    if (this.#parts.roleIn(systemUuid) !== 'master') {
      throw fail(
        `its superblock names the system ${systemUuid} as its master and not this one: another host formatted it, or /opt/famfs of this one is not kept.`,
      );
    }
    if (log instanceof DriverError) throw log;
    const entries = Number((logSizeBytes - BigInt(logHeaderBytes)) / logEntryBytes);
    if (log.entriesUsed !== 0 || (logSizeBytes !== 0n && log.entriesTotal !== entries))
      throw fail(`its log has ${log.entriesTotal} entries, of which ${log.entriesUsed} are used.`);
    return fileSystemUuid;
  }
}

function requireSaneOrder({ device, logSizeBytes, replaceUuid }: FormatOrder): void {
  if (!/^dax\d{1,6}\.\d{1,6}$/.test(device))
    throw new DriverError(
      'invalid-argument',
      `${JSON.stringify(device)} is no name of a device like dax0.0.`,
    );
  if (replaceUuid !== '' && !uuidPattern.test(replaceUuid))
    throw new DriverError('invalid-argument', `${JSON.stringify(replaceUuid)} is no UUID in lower case.`);
  if (logSizeBytes !== 0n) logLengthText(logSizeBytes);
}

function requireEmpty(
  device: DaxDevice,
  before: DeviceContents | undefined,
  roleIn: (systemUuid: string) => Role,
): void {
  if (before === undefined) return;
  const { fileSystemUuid, systemUuid, log } = before;
  const contents = log instanceof DriverError ? 'a damaged log' : `${log.entriesUsed} log entries`;
  throw new DriverError(
    'device-not-empty',
    `Device ${device.name} carries the famfs file system ${fileSystemUuid}${whose(roleIn(systemUuid))}, with ${contents}. It is not formatted again.`,
    { details: { foundUuid: fileSystemUuid } },
  );
}

function whose(role: Role): string {
  return role === 'master' ? ' of this node' : ' of another node';
}

/** mkfs has said that it did it, and yet it is not certain. */
function unproven(device: DaxDevice, fileSystemUuid: string, error: unknown): DriverError {
  const { reason, message } = DriverError.from(error);
  return new DriverError(
    reason,
    `mkfs.famfs says that it made the file system ${fileSystemUuid} on ${device.name}, but that cannot be relied on: ${message}`,
    { cause: error, details: { foundUuid: fileSystemUuid } },
  );
}

/** The name of the folder of pools in which a mount point lies; pools are mounted at folders that are named by their UUIDs. */
function poolMountedAt(place: string, poolDir: string): string | undefined {
  const folder = `${path.normalize(poolDir)}/`;
  return place.startsWith(folder) ? place.slice(folder.length).split('/')[0] : undefined;
}

const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
