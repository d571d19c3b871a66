/* Wine 8 has no bcryptprimitives.dll, whose one function Go's programs take their random numbers from. */
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *into, SIZE_T length)
{
	return RtlGenRandom(into, (ULONG)length);
}
