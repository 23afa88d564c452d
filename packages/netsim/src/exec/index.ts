export { runTool } from './run-tool.ts';
export type { ExecContext } from './tool.ts';
