/** Reads base64 in time that grows with the text alone: a pattern that takes white space and its end together would go back and forth. */

const whole = /^[A-Za-z0-9+/]+={0,2}$/;

/** Undefined for what is none. White space may stand anywhere. */
export function decodeBase64(text: string): Buffer | undefined {
  const dense = text.replaceAll(/\s/g, '');
  return whole.test(dense) ? Buffer.from(dense, 'base64') : undefined;
}
