// The version of the driver, as package.json has it.
import manifest from '../package.json' with { type: 'json' };

export const driverVersion: string = manifest.version;
