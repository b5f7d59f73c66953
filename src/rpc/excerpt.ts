/** A piece of somebody else's text that is safe to show: short, quoted, nothing in it that a terminal or a log would obey. */

/** Enough to recognize what was sent. */
const SHOWN = 40;
/** Of longer texts only the start, so that no whole token and no key is ever shown. */
const SHOWN_OF_LONGER = 16;

/** Control, format (direction marks), surrogate, private and unassigned characters, and the two line separators. */
export const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

export function excerpt(text: string): string {
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN_OF_LONGER)}…` : text;
  const quoted = harmless(JSON.stringify(shown));
  return text.length > SHOWN ? `${quoted} (${text.length} characters)` : quoted;
}

/** The text with all that a terminal or a log would obey written out. */
function harmless(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/** The same, and all that is not ASCII: Python 2.7 raises where a fault's text has anything else. */
export function ascii(text: string): string {
  return text.replaceAll('\u2026', '...').replace(/[^ -~]/gu, escaped);
}

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)?.toString(16)}}`;
}
