/** What one character takes when it is escaped, at the most. */
export const maxBytesOfCharacter = 6;
/** At the most. */
export const bytesOfMark = 64;

/** The text, or its beginning with a mark, so that it is stored in `bytes` at the most. */
export function cut(text: string, bytes: number): string {
  if (text.length * maxBytesOfCharacter <= bytes) return text;
  if (text.length <= bytes && storedBytes(text) <= bytes) return text;
  return mark(beginningWithin(text.slice(0, bytes), bytes - bytesOfMark), text.length);
}

/** Tells how much there was of a text that was cut. */
export function mark(beginning: string, length: number): string {
  return `${beginning.toWellFormed()}… [cut, ${length} characters]`;
}

/** How many bytes a text is stored in, without the quotes around it. */
export function storedBytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) bytes += storedBytesOf(text.charCodeAt(i));
  return bytes;
}

/** As much of the text as is stored in so many bytes. */
export function beginningWithin(text: string, bytes: number): string {
  if (text.length * maxBytesOfCharacter <= bytes) return text;
  let left = bytes;
  for (let i = 0; i < text.length; i++) {
    left -= storedBytesOf(text.charCodeAt(i));
    if (left < 0) return text.slice(0, i);
  }
  return text;
}

/**
 * Of a unit of UTF-16, as the API server writes JSON: its encoder escapes what HTML would read, and two line separators, with six bytes each.
 * The first half of a character of two units counts for both: bodies have no other halves, and a first half that is cut off is replaced by less.
 */
function storedBytesOf(unit: number): number {
  if (unit < 0x20) return unit === 0x0a || unit === 0x0d || unit === 0x09 ? 2 : 6;
  if (unit < 0x80) return unit === 0x3c || unit === 0x3e || unit === 0x26 ? 6 : unit === 0x22 || unit === 0x5c ? 2 : 1;
  if (unit < 0x800) return 2;
  if (unit < 0xd800 || unit > 0xdfff) return unit === 0x2028 || unit === 0x2029 ? 6 : 3;
  return unit < 0xdc00 ? 4 : 0;
}
