import { kubernetes } from '../kubernetes/plugin.ts';
import type { Setup } from '../plugin.ts';
import { autopath } from './autopath.ts';
import { auto, file } from './file.ts';
import { forward } from './forward.ts';
import { hosts } from './hosts.ts';
import { any, bufsize, chaos, loadbalance, local, minimal, nsid, whoami } from './small.ts';
import { template } from './template.ts';

/** Plugins that change answers; the others of CoreDNS are accepted and change nothing. */
export const SETUPS: Readonly<Record<string, Setup>> = {
  nsid,
  bufsize,
  local,
  any,
  chaos,
  loadbalance,
  autopath,
  minimal,
  template,
  hosts,
  kubernetes,
  file,
  auto,
  forward,
  whoami,
};
