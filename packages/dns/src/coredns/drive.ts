import type { Exchange, ExchangeResult, Outcome, Serving } from './plugin.ts';

/** Asks another name server; calls back once, at once or later. */
export type ExchangeFunction = (exchange: Exchange, done: (result: ExchangeResult) => void) => void;

/** Runs a plugin until it is done or waits. Answers that come at once do not deepen the call stack. */
export function drive(serving: Serving, exchange: ExchangeFunction, done: (outcome: Outcome) => void): void {
  let step = serving.next();
  while (step.done !== true) {
    let state: 'asking' | 'waiting' | 'answered' = 'asking';
    let result: ExchangeResult | undefined;
    exchange(step.value, (answer) => {
      if (state === 'answered') return;
      const waiting = state === 'waiting';
      state = 'answered';
      result = answer;
      if (waiting) resume(serving, answer, exchange, done);
    });
    if (result === undefined) {
      state = 'waiting';
      return;
    }
    step = serving.next(result);
  }
  done(step.value);
}

function resume(
  serving: Serving,
  answer: ExchangeResult,
  exchange: ExchangeFunction,
  done: (outcome: Outcome) => void,
): void {
  const step = serving.next(answer);
  if (step.done === true) done(step.value);
  else drive(continued(serving, step.value), exchange, done);
}

/** A generator that first yields a value that another one has yielded already. */
function* continued(serving: Serving, value: Exchange): Serving {
  let answer = yield value;
  for (;;) {
    const step = serving.next(answer);
    if (step.done === true) return step.value;
    answer = yield step.value;
  }
}
