/** Letters and digits that make no words, as k8s.io/apimachinery/pkg/util/rand has them. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * Names and UIDs that look like the API server's and depend only on the seed and on what they are for, so that a
 * change in one place does not rename things in another.
 */
export class Names {
  readonly #seed: number;
  readonly #counters = new Map<string, number>();

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** A name that is not taken: `prefix` and five letters, as metadata.generateName makes it. */
  generate(scope: string, prefix: string, taken: (name: string) => boolean): string {
    for (;;) {
      const name = prefix + this.#suffix(`${scope}/${prefix}`);
      if (!taken(name)) return name;
    }
  }

  /** A version 4 UUID, another one each time. */
  uid(scope: string): string {
    const text = `uid/${scope}/${this.#next(scope)}`;
    const a = hash32(text, this.#seed);
    const b = mix(a + 0x9e3779b9);
    const c = mix(b + 0x7f4a7c15);
    const d = mix(c ^ 0x94d049bb);
    // The bits of the version and the variant are fixed by RFC 9562.
    const versioned = (b & ~0xf000) | 0x4000;
    const variant = (c & 0x3fffffff) | 0x80000000;
    return `${hex(a, 8)}-${hex(versioned >>> 16, 4)}-${hex(versioned & 0xffff, 4)}-${hex(variant >>> 16, 4)}-${hex(variant & 0xffff, 4)}${hex(d, 8)}`;
  }

  /** A number in [0, bound) that the scope always gets. */
  pick(scope: string, bound: number): number {
    return Math.floor(((hash32(scope, this.#seed) >>> 0) / 2 ** 32) * bound);
  }

  #suffix(scope: string): string {
    let word = hash32(`${scope}/${this.#next(scope)}`, this.#seed);
    let text = '';
    for (let i = 0; i < 5; i++) {
      text += alphabet[(word >>> 0) % alphabet.length];
      word = mix(word + 0x9e3779b9);
    }
    return text;
  }

  #next(scope: string): number {
    const count = this.#counters.get(scope) ?? 0;
    this.#counters.set(scope, count + 1);
    return count;
  }
}

/** Writes a number with letters that make no words, as rand.SafeEncodeString does for `pod-template-hash`. */
export function safeEncode(value: number): string {
  return [...String(value)].map((digit) => alphabet[digit.charCodeAt(0) % alphabet.length]).join('');
}

/** FNV-1a over the UTF-16 units of a text, then mixed so that near texts give far numbers. */
export function hash32(text: string, seed: number): number {
  let hash = mix(seed ^ 0x811c9dc5);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash);
}

/** The finaliser of MurmurHash3. */
function mix(word: number): number {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function hex(word: number, digits: number): string {
  return (word >>> 0).toString(16).padStart(digits, '0');
}
