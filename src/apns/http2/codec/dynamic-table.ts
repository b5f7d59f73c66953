/** A decoder's dynamic table (RFC 7541, sections 2.3.2 and 4): what the peer told us to remember of its header blocks. */

/** Each entry of a header list counts as its name, its value and this much (RFC 7541, section 4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/** The SETTINGS_HEADER_TABLE_SIZE that we announce: the default, since peers are known that take no notice of a smaller one. */
export const HEADER_TABLE_BYTES = 4096;

/** Of the ring: all entries that fit, were each as small as can be. A power of two. */
const PLACES = HEADER_TABLE_BYTES / ENTRY_OVERHEAD_BYTES;

export class DynamicTable {
  readonly #names: string[] = new Array(PLACES).fill('');
  readonly #values: string[] = new Array(PLACES).fill('');
  readonly #sizes = new Uint16Array(PLACES);
  /** The place of the newest entry; the older ones are behind it, down from there. */
  #newest = 0;
  #count = 0;
  #bytes = 0;
  #maxBytes = HEADER_TABLE_BYTES;

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** How many entries there are. */
  get count(): number {
    return this.#count;
  }

  /** @param age 0 for the newest, less than {@link count} */
  name(age: number): string {
    return this.#names[(this.#newest - age) & (PLACES - 1)] ?? '';
  }

  /** @param age as in {@link name} */
  value(age: number): string {
    return this.#values[(this.#newest - age) & (PLACES - 1)] ?? '';
  }

  /** The peer's size update. @param maxBytes at most {@link HEADER_TABLE_BYTES} */
  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /** One that is larger than the whole table leaves it empty, which is no error. */
  add(name: string, value: string, valueBytes: number): void {
    const size = name.length + valueBytes + ENTRY_OVERHEAD_BYTES;
    if (size > this.#maxBytes) {
      this.#evictTo(0);
      return;
    }
    this.#evictTo(this.#maxBytes - size);
    this.#newest = (this.#newest + 1) & (PLACES - 1);
    this.#names[this.#newest] = name;
    this.#values[this.#newest] = value;
    this.#sizes[this.#newest] = size;
    this.#count += 1;
    this.#bytes += size;
  }

  #evictTo(bytes: number): void {
    while (this.#bytes > bytes) {
      this.#count -= 1;
      const oldest = (this.#newest - this.#count) & (PLACES - 1);
      this.#bytes -= this.#sizes[oldest] ?? 0;
      this.#names[oldest] = '';
      this.#values[oldest] = '';
    }
  }
}
