import { defaultTimeouts, printIpvsConnections, printIpvsList, printIpvsSave, printIpvsTimeouts } from '@netsim/kernel';
import { parseArgs } from './args.ts';
import { fail, ok, type Tool } from './tool.ts';

/** `ipvsadm -Ln`, `-Sn`, `-Lnc` and `-L --timeout`: as a kernel prints them that has IPVS, in every mode of kube-proxy. */
export const ipvsadm: Tool = (args, { netns }) => {
  const { flags, problem } = parseArgs(args, {
    short: 'lLSnc',
    long: { list: 'L', save: 'S', numeric: 'n', connection: 'c', timeout: 'timeout' },
  });
  if (problem !== undefined)
    return fail(2, 'netsim: only "ipvsadm -Ln", "-Lnc", "-L --timeout" and "-Sn" are emulated');
  const { ipvs } = netns;
  const services = ipvs?.services() ?? [];
  if (flags.has('S')) return ok(printIpvsSave(services));
  if (flags.has('c')) return ok(printIpvsConnections(ipvs?.connections() ?? [], netns.now()));
  if (flags.has('timeout')) return ok(printIpvsTimeouts(ipvs?.timeouts ?? defaultTimeouts));
  return ok(printIpvsList(services));
};
