// A simulated node: a directory that looks to the driver like the parts of a host that matter to famfs. Knows
// the layout; what the programs do is famfs.ts, mkfs.ts and daemon.ts.
//
//   NODE/bin/{famfs,mkfs.famfs,famfs_fused}   scripts: exec PROGRAM --node NODE <tool> "$@"
//   NODE/opt/famfs/system_uuid                who this node is (text, no newline)
//   NODE/dev/<name>                           link to the directory of the simulated device
//   NODE/sys/bus/dax/devices/<name>/          size, align, target_node, resource, driver -> …/drivers/fsdev_dax
//   NODE/run/                                 records of mounts and locks of held devices
//   NODE/node.json                            how the scripts start the simulator, and how it shows mounts
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../errors.ts';
import { openDevice, type SimulatedDevice } from './device.ts';

/** How mounts are shown: `fuse` = a FUSE server with passthrough; `views` = hard links, bind-mounted; `auto` = fuse where the kernel and the rights allow it. */
export type PresentationChoice = 'auto' | 'fuse' | 'views';

/** Kernel drivers that a dax device can be bound to; famfs wants `fsdev_dax`. */
export type DaxDriver = 'fsdev_dax' | 'device_dax' | 'kmem';

/** The places of a simulated node; all absolute. */
export interface SimulatedNode {
  readonly root: string;
  readonly binDirectory: string;
  readonly devDirectory: string;
  readonly sysDirectory: string;
  readonly systemUuidPath: string;
  readonly runDirectory: string;
  /** argv of the simulator's program, e.g. ['/…/node', '/…/src/sim/main.ts']. */
  readonly program: readonly string[];
  readonly presentation: PresentationChoice;
}

export interface NodeDeviceOptions {
  /** Name on this node, e.g. `dax0.0`. */
  readonly name: string;
  /** Directory of the simulated device. */
  readonly devicePath: string;
  /** Default `fsdev_dax`; `null` = no driver bound. */
  readonly driver?: DaxDriver | null;
}

export interface CreateNodeOptions {
  readonly root: string;
  readonly devices: readonly NodeDeviceOptions[];
  /** Default: this Node and src/sim/main.ts. A bundle is named as [process.execPath, '/…/sim.cjs']. */
  readonly program?: readonly string[];
  /** Default: a random one. `null` leaves the file out, as on a host where famfs never ran. */
  readonly systemUuid?: string | null;
  readonly presentation?: PresentationChoice;
}

/** A device as one node sees it. */
export interface NodeDevice {
  readonly name: string;
  /** NODE/dev/<name>: what the driver passes to famfs, and the source of the mount. */
  readonly path: string;
  readonly device: SimulatedDevice;
  readonly driver: string | null;
}
