export { ageOf, humanDuration } from './age.ts';
export { describe, type Related } from './describe/index.ts';
export { notFoundMessage, nothingFoundMessage, unknownResourceMessage } from './errors.ts';
export { type GetRequest, getObjects, type Printed } from './get.ts';
export { summarizePod } from './pod-status.ts';
export { qualifiedName, warningOf } from './resource.ts';
export { renderJson, renderYaml, toYaml } from './serialize.ts';
export { inOrder, renderNames, renderTable, type TableOptions } from './table.ts';
