// Text that came from outside, made safe to show: on a terminal, in a log, in an event. Knows nothing of where it is from.

/** Almost every text is this plain, and looked through quickly. */
const plain = /^[ -~]*$/;
const unprintable = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Cs}]/gu;
const invisibleButLineEnd = /(?!\n)[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Cs}]/gu;

function escaped(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/**
 * Control characters, invisible and direction-changing ones, which could make a name look like another or drive a
 * terminal, as \u{…}. Everything else stays.
 */
export function printable(text: string): string {
  return plain.test(text) ? text : text.replace(unprintable, escaped);
}

/** As printable, for text that has lines. */
export function printableLines(text: string): string {
  return plain.test(text) ? text : text.replace(invisibleButLineEnd, escaped);
}

/** As printable, within the strings of a JSON document: what it means stays the same. */
export function printableJson(json: string): string {
  if (plain.test(json)) return json;
  return json.replace(unprintable, (character) =>
    Array.from({ length: character.length }, (_, index) => {
      return `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
    }).join(''),
  );
}
