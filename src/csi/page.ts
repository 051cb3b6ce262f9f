// One page of a list (ListVolumes): entries sorted by id, and a token that names the last one given out. A token stays good
// when entries come and go: the list goes on behind that id.
import { DriverError } from '../errors.ts';

const tokenPrefix = 'after:';

export interface Page<T> {
  readonly entries: readonly T[];
  /** empty at the end of the list */
  readonly nextToken: string;
}

/**
 * @param maximumEntries zero: all
 * @throws {DriverError} invalid-argument, or page-token-refused for a token that was not given out
 */
export function pageOf<T>(
  all: readonly T[],
  idOf: (entry: T) => string,
  maximumEntries: number,
  startingToken: string,
): Page<T> {
  if (maximumEntries < 0) throw new DriverError('invalid-argument', 'max_entries is negative');
  const after = startingToken === '' ? '' : idIn(startingToken);
  const rest = all.filter((entry) => idOf(entry) > after).toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const entries = maximumEntries === 0 ? rest : rest.slice(0, maximumEntries);
  const last = entries.at(-1);
  const isEnd = last === undefined || entries.length === rest.length;
  return { entries, nextToken: isEnd ? '' : tokenPrefix + Buffer.from(idOf(last)).toString('base64url') };
}

function idIn(token: string): string {
  const text = token.startsWith(tokenPrefix) ? token.slice(tokenPrefix.length) : '';
  const id = Buffer.from(text, 'base64url').toString();
  if (id !== '' && tokenPrefix + Buffer.from(id).toString('base64url') === token) return id;
  throw new DriverError(
    'page-token-refused',
    'starting_token is not one that this driver gave out; begin the list anew with an empty one',
  );
}
