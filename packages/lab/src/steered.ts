import { nextScript, type RandomSource, ScriptedRandom } from '@netsim/kernel';

/** More ways than this through the random rules of one series of probes are not looked at. */
const MAX_WAYS = 512;

/**
 * Runs something once for every way that its random choices can go, first choices first, until it returns true.
 * The kernel's own dice cannot be seen: what it did must be one of these ways.
 */
export function everyWay(run: (random: RandomSource) => boolean): void {
  let script: readonly number[] | undefined = [];
  for (let ways = 0; script !== undefined && ways < MAX_WAYS; ways++) {
    const random = new ScriptedRandom(1);
    let done = false;
    const made = random.withScript(script, () => {
      done = run(random);
    });
    if (done) return;
    script = nextScript(made);
  }
}
