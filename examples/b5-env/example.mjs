import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['services.yaml'] });
const early = cluster.pod('early');
const host = async () => (await early.exec('printenv', 'KUBIA_SERVICE_HOST')).stdout.trim() || 'not set';
console.log('early:                  ', await host());
early.restart('main');
console.log('early, container anew:  ', await host());
