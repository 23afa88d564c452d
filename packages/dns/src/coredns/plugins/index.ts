import { kubernetes } from '../kubernetes/plugin.ts';
import type { Setup } from '../plugin.ts';
import { acl, dns64, header } from './access.ts';
import { autopath } from './autopath.ts';
import { cache } from './cache.ts';
import { auto, file } from './file.ts';
import { forward } from './forward.ts';
import { hosts } from './hosts.ts';
import { k8sExternal } from './k8s-external.ts';
import { errors, health, log, loop, ready, reload } from './observe.ts';
import { rewrite } from './rewrite.ts';
import { any, bufsize, chaos, loadbalance, local, minimal, nsid, whoami } from './small.ts';
import { template } from './template.ts';
import { transfer } from './transfer.ts';

/** Plugins that change answers; the others of CoreDNS are accepted and change nothing. */
export const SETUPS: Readonly<Record<string, Setup>> = {
  reload,
  nsid,
  bufsize,
  ready,
  health,
  errors,
  log,
  local,
  dns64,
  acl,
  any,
  chaos,
  loadbalance,
  cache,
  rewrite,
  header,
  autopath,
  minimal,
  template,
  transfer,
  hosts,
  k8s_external: k8sExternal,
  kubernetes,
  file,
  auto,
  loop,
  forward,
  whoami,
};
