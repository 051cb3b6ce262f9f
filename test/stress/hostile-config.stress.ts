// Every option of every role with every hostile string: refused as config-invalid, or a value of exactly that text.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { environmentName, type OptionTable, type RoleOptions, readConfig } from '../../src/config/options.ts';
import * as config from '../../src/config.ts';
import { DriverError } from '../../src/errors.ts';
import { hostileStrings } from '../hostile-strings.ts';

const isRole = (value: unknown): value is RoleOptions<OptionTable> =>
  typeof value === 'object' && value !== null && 'options' in value && 'summary' in value;
const roles = (Object.values(config) as unknown[]).filter(isRole);

const isPath = (text: string): boolean =>
  text.startsWith('/') &&
  !/\p{C}/u.test(text) &&
  !text.split('/').some((part) => part === '.' || part === '..');

/** Which hostile texts an option may take, by what stands for its value in the help; any other takes none. */
const takes: Readonly<Record<string, (text: string) => boolean>> = {
  // Handed to the kernel; where famfs gets one, command-values.ts refuses what famfs would misread.
  PATH: (text) =>
    text
      .trim()
      .split(',')
      .every((each) => isPath(each.trim())),
  SOCKET: (text) =>
    isPath(text.replace(/^unix:\/\/(?=\/)|^unix:(?!\/\/)/, '')) && Buffer.byteLength(text) <= 114,
  // Goes to the controller as it is and is never taken apart.
  NAME: (text) => /^[\x21-\x7e]{1,256}$/.test(text),
  NUMBER: (text) => /^[1-9]\d{0,8}$/.test(text),
  '': (text) => text === 'true' || text === 'false' || text === '0',
};

describe('every option with every hostile string', () => {
  it('finds roles and strings', () => {
    assert.ok(roles.length >= 3);
    assert.ok(hostileStrings.length >= 300);
  });

  for (const role of roles) {
    it(`of famfs-csi ${role.name} is refused in visible words, or taken where its kind allows that`, () => {
      const needed = Object.values(role.options)
        .filter(({ fallback }) => fallback === undefined)
        .map(({ flag }) => `--${flag}=good`);
      for (const [key, option] of Object.entries(role.options)) {
        for (const { name, text } of hostileStrings) {
          if (text === undefined) continue;
          const others = needed.filter((each) => !each.startsWith(`--${option.flag}=`));
          const shown = `--${option.flag} ${name}`;
          const mayTake = takes[option.placeholder ?? ''] ?? (() => false);
          const byFlag = outcome(role, [...others, `--${option.flag}=${text}`], {});
          if (byFlag instanceof DriverError) assertRefusal(byFlag, shown);
          else assert.ok(mayTake(text) && byFlag[key] !== undefined, `${shown} was taken`);
          // A variable that is empty counts as not set; one with NUL cannot be.
          if (text === '' || text.includes('\0')) continue;
          const byVariable = outcome(role, others, { [environmentName(option.flag)]: text });
          assert.equal(
            byVariable instanceof DriverError,
            byFlag instanceof DriverError,
            `${shown} by variable`,
          );
        }
      }
    });
  }
});

function outcome(
  role: RoleOptions<OptionTable>,
  argv: readonly string[],
  environment: Record<string, string>,
): Record<string, unknown> | DriverError {
  try {
    return readConfig(role, argv, environment);
  } catch (error) {
    assert.ok(error instanceof DriverError, String(error));
    return error;
  }
}

function assertRefusal(error: DriverError, shown: string): void {
  assert.equal(error.reason, 'config-invalid', shown);
  assert.doesNotMatch(error.message.replaceAll('\n', ''), /\p{C}/u, shown);
}
