import type { CliIo } from './io.ts';

export const colorChoices = ['auto', 'always', 'never'] as const;
export type ColorChoice = (typeof colorChoices)[number];

/** Whether output is coloured: flag before NO_COLOR before FORCE_COLOR before the terminal. */
export function wantsColor(choice: ColorChoice, { env, isTTY }: Pick<CliIo, 'env' | 'isTTY'>): boolean {
  if (choice !== 'auto') return choice === 'always';
  if (env.NO_COLOR !== undefined && env.NO_COLOR !== '') return false;
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return isTTY && env.TERM !== 'dumb';
}
