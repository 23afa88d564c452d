// One way to measure: a batch of at least 1,000 operations is one call, its result is consumed, `benchmark` takes the
// figure and `tinybench` measures the same again, so that a mistake of one library does not become ours.
import Benchmark from 'benchmark';
import { Bench } from 'tinybench';

const MIN_BATCH = 1_000;

/** Kept where the optimiser cannot see that nobody reads it. */
const sink = { value: 0 };

/**
 * @typedef {object} Rate
 * @property {number} perSecond operations a second, by `benchmark`
 * @property {number} margin relative margin of error, percent
 * @property {number} crossCheck the figure of `tinybench` divided by that of `benchmark`
 */

/**
 * @param {string} name
 * @param {number} batch operations done by one call of `run`
 * @param {() => number} run does the batch and returns a number that depends on every operation
 * @param {{ seconds: number, crossCheck?: boolean }} options
 * @returns {Promise<Rate>}
 */
export async function measure(name, batch, run, { seconds, crossCheck = true }) {
  if (batch < MIN_BATCH) throw new Error(`${name}: a batch of ${batch} is too small to measure`);
  const once = () => {
    sink.value = (sink.value + run()) | 0;
  };
  for (let i = 0; i < 2; i++) once();
  const first = new Benchmark(name, once, { maxTime: seconds, minSamples: 3, initCount: 1 });
  first.run();
  if (first.error) throw first.error;
  const perSecond = first.hz * batch;
  if (!crossCheck) return { perSecond, margin: first.stats.rme, crossCheck: Number.NaN };
  const second = new Bench({ time: (seconds * 1000) / 2, warmup: false, iterations: 3 });
  second.add(name, once);
  await second.run();
  const result = second.tasks[0].result;
  if (result.error) throw result.error;
  return { perSecond, margin: first.stats.rme, crossCheck: (result.throughput.mean * batch) / perSecond };
}
