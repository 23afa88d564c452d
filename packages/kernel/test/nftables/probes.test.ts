import { parseIp } from '@netsim/wire';
import { expect, test } from 'vitest';
import { readVectorLines } from '../../../../test/support/vectors.ts';
import { applyNft, emptyNftRuleset, type NftRuleset, parseNftRuleset } from '../../src/netfilter/nftables/index.ts';
import { type Answer, type Probe, ProbeNode } from './probe-node.ts';

interface ProbeCase {
  readonly id: string;
  readonly previous?: string;
  readonly config: {
    readonly detectLocal?: { readonly ifLocal?: readonly string[] };
    readonly interfaceAddrs?: readonly string[];
  };
  readonly expect: {
    readonly transaction: string;
    readonly nftList?: string;
    readonly probes?: readonly Probe[];
    readonly flows?: readonly (Probe & { readonly nodeIPs: readonly string[] })[];
  };
}

for (const name of ['nftables-tests', 'nftables-recorded']) {
  test(`packets meet in the rules of ${name} what they met in the kernel`, () => {
    const cases = readVectorLines<ProbeCase>(`kube-proxy/${name}.jsonl.gz`);
    if (cases === undefined) return;
    const states = new Map<string, NftRuleset>();
    const failed: string[] = [];
    let total = 0;
    for (const { id, previous, config, expect: expected } of cases) {
      const before = (previous === undefined ? undefined : states.get(previous)) ?? emptyNftRuleset;
      states.set(id, applyNft(before, expected.transaction));
      const probes = [...(expected.probes ?? []), ...(expected.flows ?? [])];
      if (probes.length === 0 || expected.nftList === undefined || config.interfaceAddrs === undefined) continue;
      const ruleset = parseNftRuleset(expected.nftList);
      const node = new ProbeNode(
        config.interfaceAddrs.filter((text) => text !== '<nil>').map((text) => parseIp(text.split('/')[0]!)),
        podInterface(config.detectLocal?.ifLocal),
      );
      for (const probe of probes) {
        total++;
        const wrong = disagreement(node, ruleset, probe);
        if (wrong !== undefined) failed.push(`${id}: ${wrong}`);
      }
    }
    for (const line of failed.slice(0, 20)) console.log(line);
    console.log(`vectors kube-proxy/${name}: probes ${total - failed.length}/${total}`);
    expect(failed).toEqual([]);
  });
}

function podInterface(ifLocal: readonly string[] | undefined): string {
  return ifLocal?.[0] === 'iifname' ? ifLocal.at(-1)!.replaceAll('"', '').replace('*', '0') : 'cni0';
}

function disagreement(node: ProbeNode, ruleset: NftRuleset, probe: Probe): string | undefined {
  const answers = node.answers(ruleset, probe);
  const have = [...new Set(answers.map(({ output }) => output))].sort();
  const shown = (answer: Answer): string => `${answer.output || '(goes on)'}${answer.masq ? ' masq' : ''}`;
  const { kernel } = probe;
  if (kernel !== undefined) {
    // The kernel drew one of the ways.
    const same = answers.some(({ output, masq }) => output === kernel.output && masq === kernel.masq);
    if (!same) return `${probe.name}: kernel ${shown(kernel)}, have ${answers.map(shown).join(' | ')}`;
  }
  const want = expectedOutputs(node, probe);
  if (want !== undefined && want.join() !== have.join())
    return `${probe.name}: want ${want.join(' | ')}, have ${have.join(' | ')}`;
  if (kernel === undefined && wronglyMasqueraded(node, probe, answers))
    return `${probe.name}: want ${probe.masq ? '' : 'no '}masquerading, have ${answers.map(shown).join(' | ')}`;
  return undefined;
}

/**
 * The tracer says "masquerade" for any endpoint that talks to itself; the rules do for those of this node only. And a
 * packet of the node has the address already that masquerading would give it.
 */
function wronglyMasqueraded(node: ProbeNode, { name, masq, sourceIP }: Probe, answers: readonly Answer[]): boolean {
  if (node.isLocal(parseIp(sourceIP)) || name.startsWith('endpoint itself')) return false;
  if (!masq) return answers.some((answer) => answer.masq);
  return answers.some((answer) => !answer.masq && answer.output.includes(':'));
}

/** The outcomes that the tracer of kube-proxy's tests names, where it is right: see the notes on the vectors. */
function expectedOutputs(node: ProbeNode, probe: Probe): string[] | undefined {
  const { output, kernel, sourceIP } = probe;
  if (kernel !== undefined && !/:[0-9]+(, |$)/.test(kernel.output)) return [kernel.output];
  const parts = [...new Set(output.split(', '))].filter((part) => part !== 'DROP' || !output.includes(':'));
  if (parts.includes('ACCEPT')) return undefined;
  if (node.isLocal(parseIp(sourceIP)) && parts.includes('')) return undefined;
  return parts.sort();
}
