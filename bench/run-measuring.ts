// Runs a program that measures and prints one JSON value, and hands that value back once its shape is proven.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** @throws Error with what the program wrote when it fails or prints something else */
export async function runMeasuring<T>(
  file: string,
  args: readonly string[],
  isExpected: (value: unknown) => value is T,
): Promise<T> {
  const { stdout } = await execute(file, args, { maxBuffer: 2 ** 24 });
  const value: unknown = JSON.parse(stdout);
  if (!isExpected(value)) throw new Error(`${file} printed something unexpected: ${stdout.slice(0, 500)}`);
  return value;
}
