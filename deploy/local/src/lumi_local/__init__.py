"""The whole of Lumi as processes on one machine, and throwaway servers for tests."""
