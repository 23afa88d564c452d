import { styleText } from 'node:util';
import type { Disposition } from '@netsim/trace';

export type Tone = 'good' | 'bad' | 'unsure' | 'strong' | 'faint' | 'plain';

const formats = { good: 'green', bad: 'red', unsure: 'yellow', strong: 'bold', faint: 'dim' } as const;

/** Puts a tone on text: as ANSI colour, or not at all. */
export type Paint = (tone: Tone, text: string) => string;

/** The one place where colour is decided. Whether it is wanted (flag, NO_COLOR, TTY) is for the caller to say. */
export function painter(color: boolean): Paint {
  if (!color) return (_tone, text) => text;
  return (tone, text) =>
    tone === 'plain' || text === '' ? text : styleText(formats[tone], text, { validateStream: false });
}

export function dispositionTone(disposition: Disposition): Tone {
  switch (disposition) {
    case 'DELIVERED':
      return 'good';
    case 'EXITS_CLUSTER':
    case 'INSUFFICIENT_INFO':
      return 'unsure';
    default:
      return 'bad';
  }
}

/** Text from manifests, fit for a terminal: a control character could move the cursor or change colours. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd');
}
