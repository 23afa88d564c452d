import { Cluster } from 'netsim';

const cluster = await Cluster.load({ files: ['pod.yaml'] });
const pod = cluster.pod('web');
console.log('before:', pod.ip, 'restarts', pod.restarts('nginx'));
pod.restart('nginx');
console.log('after: ', pod.ip, 'restarts', pod.restarts('nginx'));
const answer = await pod.fetch('http://localhost');
console.log(answer.status, await answer.text());
