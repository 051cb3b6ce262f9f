// Which text names a pool and a directory in it. Knows the rules of famfs's log, not what any pool holds.
import { DriverError } from '../errors.ts';
import { pathProblem } from '../famfs/path-rules.ts';
import type { PoolPath, PoolUuid } from './ids.ts';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Reads a pool's UUID.
 * @param field what the user calls it, for the message
 * @throws {DriverError} invalid-argument
 */
export function parsePoolUuid(text: string, field: string): PoolUuid {
  const uuid = text.toLowerCase();
  if (!uuidPattern.test(uuid)) {
    throw new DriverError(
      'invalid-argument',
      `${field} is not the UUID of a famfs pool: ${JSON.stringify(text.slice(0, 80))}; ` +
        '`famfs-csi inspect` shows the UUID of a pool',
    );
  }
  return uuid as PoolUuid;
}

/**
 * Names we publish are plain on purpose: whatever a log line, a shell of an admin or a famfs command might read
 * as something else (spaces, quotes, commas, `=`, leading dashes, what is not ASCII) is refused. Files below the
 * directory may be called anything.
 */
const plainComponent = /^[A-Za-z0-9._+@~][A-Za-z0-9._+@~:-]*$/;

/**
 * Reads the path of a directory in a pool.
 * @throws {DriverError} path-too-long above the 78 bytes that famfs logs, else invalid-argument
 */
export function parsePoolPath(text: string, field: string): PoolPath {
  const problem = pathProblem(text);
  const shown = JSON.stringify(text.slice(0, 120));
  if (problem !== undefined) {
    const tooLong = /can be logged/.test(problem);
    throw new DriverError(
      tooLong ? 'path-too-long' : 'invalid-argument',
      `${field} ${problem}: ${shown}; give a directory relative to the root of the pool, such as models/llama`,
    );
  }
  const odd = text.split('/').find((component) => !plainComponent.test(component));
  if (odd !== undefined) {
    throw new DriverError(
      'invalid-argument',
      `${field} has the component ${JSON.stringify(odd)}; directories to publish are named with letters, digits ` +
        'and . _ + @ ~ : - (not first), other names can be published with the directory above them',
    );
  }
  return text as PoolPath;
}
