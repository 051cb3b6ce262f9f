// What the fuzzing needs to know of a parser: how to feed it, from which samples to start, which errors are answers.
import { DriverError } from '../../src/errors.ts';

export interface Parser {
  readonly name: string;
  /** The exported functions that run() goes through, by name. */
  readonly covers: readonly string[];
  /** Inputs that are good or nearly so, from which the others are bred. */
  readonly samples: readonly Buffer[];
  /** Words of its language, which no dice would ever spell. */
  readonly words?: readonly string[];
  /** The longest input that can reach it. */
  readonly maximumBytes: number;
  /** How many executions it gets for every one of a parser with 1. */
  readonly share: number;
  /** Parses; whatever it returns tells what kind of answer it was. */
  run(input: Buffer): unknown;
  /** Whether an error is one that the parser documents. */
  isAnswer(error: unknown): boolean;
}

export function isDriverError(error: unknown): boolean {
  return error instanceof DriverError;
}

/** What parsers of the kernel's own text throw: exactly TypeError, with the line that they do not know. */
export function isFormatError(error: unknown): boolean {
  return error instanceof TypeError && /^not a |^a process status/.test(error.message);
}

/** For parsers that never throw. */
export function never(): boolean {
  return false;
}

export function bytesOf(...texts: readonly string[]): Buffer[] {
  return texts.map((text) => Buffer.from(text));
}
