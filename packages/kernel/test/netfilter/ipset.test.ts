import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { IpSets, ipsetListText } from '../../src/index.ts';

const sets = `create addresses hash:ip family inet hashsize 1024 maxelem 65536
add addresses 10.0.0.1
add addresses 10.7.0.2
create nets hash:net family inet6 hashsize 1024 maxelem 65536
add nets fd00:1::/64
create services hash:ip,port family inet hashsize 1024 maxelem 65536
add services 10.96.0.10,tcp:80
add services 10.97.0.11,udp:53
create net-ports hash:net,port family inet hashsize 1024 maxelem 65536
add net-ports 10.0.0.0/8,tcp:80
create loops hash:ip,port,ip family inet6 hashsize 1024 maxelem 65536
add loops fd00::1,tcp:80,fd00::1
create ranges hash:ip,port,net family inet hashsize 1024 maxelem 65536
add ranges 10.0.0.1,tcp:80,192.0.2.0/24
create devices hash:net,iface family inet hashsize 1024 maxelem 65536
add devices 10.0.0.0/8,eth0
create ports bitmap:port range 0-65535
add ports 30080
`;
const missing = whatIsMissing();

test.skipIf(missing !== undefined)(`the real ipset lists sets as we do${missing ?? ''}`, () => {
  const netns = `nsipset${process.pid}`;
  const run = (args: string[], input = '') =>
    execFileSync('ip', ['netns', 'exec', netns, ...args], { input, encoding: 'utf8' });
  execFileSync('ip', ['netns', 'add', netns]);
  try {
    run(['ipset', 'restore'], sets);
    run(['iptables-nft', '-A', 'INPUT', '-m', 'set', '--match-set', 'services', 'dst,dst', '-j', 'ACCEPT']);
    const ours = new IpSets();
    ours.restore(sets);
    const own = (text: string) => text.replaceAll(/initval 0x[0-9a-f]{8}/g, 'initval');
    for (const name of ours.names()) {
      const text = ipsetListText(ours.get(name)!, name === 'services' ? 1 : 0);
      expect(own(text)).toBe(own(run(['ipset', 'list', '-s', name])));
    }
    expect(own(ours.save())).toBe(own(run(['ipset', 'save', '-s'])));
  } finally {
    execFileSync('ip', ['netns', 'del', netns]);
  }
});

/** Why the real tool cannot be asked here, or `undefined`. */
function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return ' (needs root on Linux)';
  try {
    const script =
      'command -v ipset && ip netns add nsipsetprobe$$ && ip netns exec nsipsetprobe$$ ipset list; code=$?; ip netns del nsipsetprobe$$; exit $code';
    execFileSync('bash', ['-c', script], { stdio: 'ignore' });
    return undefined;
  } catch {
    return ' (needs ipset, iproute2 and the right to make network namespaces)';
  }
}
