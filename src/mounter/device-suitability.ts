// Whether famfs can use a dax device as the kernel shows it. Looks at nothing but what sysfs said.
import type { DaxDevice } from '../linux/dax-devices.ts';
import { sizeText } from '../size-text.ts';
import type { Problem } from './pool-state.ts';

/** famfs takes no smaller device (famfs reference 1.1). */
const minimumDeviceBytes = 4n * 1024n ** 3n;

/** Why famfs cannot use a device as it is; undefined when it can, or when that is found out by trying. */
export function unsuitability(device: DaxDevice, allowDriverSwitch: boolean): Problem | undefined {
  const refuse = (message: string): Problem => ({ reason: 'device-unsuitable', message });
  if (device.driver === 'kmem')
    return refuse(`${device.name} serves as ordinary memory of this node (kmem); famfs cannot use it.`);
  if (device.sizeBytes < minimumDeviceBytes)
    return refuse(`${device.name} has ${sizeText(device.sizeBytes)}; famfs needs at least 4 GiB.`);
  if (device.driver === undefined && !allowDriverSwitch) {
    return refuse(
      `${device.name} has no driver bound. Bind fsdev_dax, or allow the mounter to do it with --allow-driver-switch.`,
    );
  }
  return undefined;
}
