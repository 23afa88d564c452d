import { type RandomSource, SeededRandom } from '@netsim/kernel';

interface Choice {
  readonly taken: boolean;
  readonly certain: boolean;
}

/** More ways than this through the random rules of one series of probes are not looked at. */
const MAX_WAYS = 512;

/** A random source whose yes-or-no choices follow a script, and are taken where the script ends. */
class ScriptedRandom implements RandomSource {
  readonly made: Choice[] = [];
  readonly #script: readonly boolean[];
  readonly #seeded = new SeededRandom(1);
  constructor(script: readonly boolean[]) {
    this.#script = script;
  }
  chance(probability: number): boolean {
    const taken = this.#script[this.made.length] ?? true;
    this.made.push({ taken, certain: probability >= 1 });
    return taken;
  }
  below(bound: number): number {
    return this.#seeded.below(bound);
  }
}

/**
 * Runs something once for every way that its random choices can go, first choices first, until it returns true.
 * The kernel's own dice cannot be seen: what it did must be one of these ways.
 */
export function everyWay(run: (random: RandomSource) => boolean): void {
  let script: boolean[] | undefined = [];
  for (let ways = 0; script !== undefined && ways < MAX_WAYS; ways++) {
    const random = new ScriptedRandom(script);
    if (run(random)) return;
    script = nextScript(random.made);
  }
}

function nextScript(made: readonly Choice[]): boolean[] | undefined {
  const last = made.findLastIndex(({ taken, certain }) => taken && !certain);
  return last < 0 ? undefined : [...made.slice(0, last).map(({ taken }) => taken), false];
}
