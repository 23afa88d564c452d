import type { ConfigMap } from '@netsim/manifest';
import { DescribeWriter } from './writer.ts';

export function describeConfigMap(map: ConfigMap): string {
  const w = new DescribeWriter();
  const { metadata, data = {} } = map;
  const { binaryData = {} } = map as { binaryData?: Record<string, string> };
  w.line(0, 'Name:', metadata.name);
  w.line(0, 'Namespace:', metadata.namespace ?? '');
  w.labels('', 'Labels', metadata.labels);
  w.annotations('', 'Annotations', metadata.annotations);
  w.text('\nData\n====\n');
  for (const key of Object.keys(data).sort()) w.text(`${key}:\n----\n${data[key]}\n\n`);
  w.text('\nBinaryData\n====\n');
  for (const key of Object.keys(binaryData).sort()) {
    w.text(`${key}: ${Buffer.from(binaryData[key]!, 'base64').length} bytes\n`);
  }
  w.text('\n');
  w.events();
  return w.toString();
}
