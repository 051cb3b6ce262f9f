// What the driver does with a text in a field: refused as INVALID_ARGUMENT, or what else is right. Stated anew and not taken from
// the driver, which is held against it.

/** An answer to one text in one field, or undefined where only a refusal as INVALID_ARGUMENT is right. */
export type Rule = (text: string, place: Place) => string | undefined;

export interface Place {
  readonly kubelet: string;
  /** The directory that the good target of this place stands in. */
  readonly targetParent: string;
  /** Of a field in a map: how large the map is with the text in it. */
  readonly mapBytes: number;
}

export const bytes = (text: string): number => Buffer.byteLength(text);
export const isVisible = (text: string): boolean => !/\p{C}/u.test(text);
const partsOf = (text: string): string[] => text.slice(1).split('/');
export const isPlainPath = (text: string): boolean =>
  text.startsWith('/') &&
  bytes(text) <= 4095 &&
  isVisible(text) &&
  partsOf(text).every((part) => part !== '' && part !== '.' && part !== '..' && bytes(part) <= 255);

/** Compared, recorded and shown, never a path, an argument or a key: letters, digits and what handles are made of. */
export const opaqueId =
  (answer: string): Rule =>
  (text) =>
    /^[A-Za-z0-9][A-Za-z0-9._:@#~+/-]{0,127}$/.test(text) && !text.split('/').includes('..')
      ? answer
      : undefined;

/** Never looked at, so any that fits into the 4 KiB of its map. */
export const secret: Rule = (_text, { mapBytes }) => (mapBytes <= 4096 ? 'OK' : undefined);
export const unread: Rule = (text, place) => (isVisible(text) ? secret(text, place) : undefined);
