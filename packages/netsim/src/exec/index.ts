export { runTool, toolNames } from './run-tool.ts';
export type { ExecContext, ToolResult } from './tool.ts';
