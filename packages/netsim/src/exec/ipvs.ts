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

/** `ipset save` and `ipset list`, of all sets or one. */
export const ipset: Tool = (args, { netns }) => {
  const [command, name, ...rest] = args;
  if ((command !== 'save' && command !== 'list') || rest.length > 0) {
    return fail(1, 'netsim: only "ipset save [SET]" and "ipset list [SET]" are emulated');
  }
  const sets = netns.netfilter?.sets;
  const names = sets === undefined ? [] : name === undefined ? [...sets.names()] : [name];
  if (name !== undefined && sets?.get(name) === undefined) {
    return fail(1, 'ipset v7.17: The set with the given name does not exist');
  }
  const texts = names.map((each) => {
    const set = sets!.get(each)!;
    const elements = set.elements();
    if (command === 'save') {
      return [`create ${set.name} ${set.type} ${set.options}`, ...elements.map((entry) => `add ${set.name} ${entry}`)]
        .map((line) => `${line}\n`)
        .join('');
    }
    const head = [`Name: ${set.name}`, `Type: ${set.type}`, `Header: ${set.options}`];
    return [...head, `Number of entries: ${elements.length}`, 'Members:', ...elements]
      .map((line) => `${line}\n`)
      .join('');
  });
  return ok(texts.join(command === 'save' ? '' : '\n'));
};
