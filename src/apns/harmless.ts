/** Text that a gateway sent, made safe to log, to keep and to hand on: Apple's is short and printable ASCII. */

export function harmless(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replace(/[^\x20-\x7e]/g, '?');
}
