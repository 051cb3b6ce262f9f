// For assert.rejects: is the error the driver's, with this reason and words like these?
import assert from 'node:assert/strict';
import { DriverError, type Reason } from '../src/errors.ts';

/** A check of an error for assert.throws and assert.rejects. */
export function reasonIs(reason: Reason, message?: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof DriverError, String(error));
    assert.equal(error.reason, reason, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}
