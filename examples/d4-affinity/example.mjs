import { Cluster } from 'netsim';

const files = ['apps.yaml', '../d1-ingress/metallb.yaml', '../d1-ingress/ingress-nginx.yaml'];
const cluster = await Cluster.load({ files });
const pods = async (headers) => {
  const hits = new Set();
  for (let n = 0; n < 12; n++) hits.add(await (await cluster.fetch('http://kubia.example.com/', { headers })).text());
  return hits.size;
};

console.log('without the cookie:', await pods({}), 'pods');
const first = await cluster.fetch('http://kubia.example.com/');
const cookie = first.headers.get('set-cookie').split(';')[0];
console.log('with the cookie:', await pods({ cookie }), 'pod');
