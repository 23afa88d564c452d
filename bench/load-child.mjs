// Loads one cluster from a file and says on stdout what it took, memory at its highest included.
import { Cluster } from 'netsim';

const start = process.hrtime.bigint();
const cluster = await Cluster.load({ files: [process.argv[2]] });
const loadMs = Number(process.hrtime.bigint() - start) / 1e6;
// A loaded cluster is one that can be asked: the first packet pays for what was put off.
const name = cluster.store.list('Pod')[0].metadata.name;
const trace = cluster.trace({ from: `pod/${name}`, to: 'svc/svc-0' });
const ms = Number(process.hrtime.bigint() - start) / 1e6;
const rssMb = process.resourceUsage().maxRSS / 1024;
const heapMb = process.memoryUsage().heapUsed / 1048576;
process.stdout.write(`${JSON.stringify({ loadMs, ms, rssMb, heapMb, disposition: trace.paths[0].disposition })}\n`);
