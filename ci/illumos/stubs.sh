# shellcheck shell=bash
# write_stubs: headers, a start-up object and libraries that export what illumos's do, for the linker to check against.

# Name on the command line -> SONAME.
STUB_LIBS="c:libc.so.1 m:libm.so.2 socket:libsocket.so.1 nsl:libnsl.so.1 pthread:libpthread.so.1
 rt:librt.so.1 posix4:librt.so.1 dl:libdl.so.1 resolv:libresolv.so.2 umem:libumem.so.1 lgrp:liblgrp.so.1
 sendfile:libsendfile.so.1 xnet:libxnet.so.1 kstat:libkstat.so.1 md:libmd.so.1 thread:libthread.so.1
 nvpair:libnvpair.so.1 scf:libscf.so.1 zonecfg:libzonecfg.so.1 contract:libcontract.so.1 door:libdoor.so.1
 gcc_s:libgcc_s.so.1 ssp:libssp.so.0"
# These two belong to the compiler, not to illumos, and so are not in exports.txt.
GCC_S_SYMBOLS="_Unwind_Backtrace _Unwind_DeleteException _Unwind_FindEnclosingFunction _Unwind_Find_FDE
 _Unwind_ForcedUnwind _Unwind_GetCFA _Unwind_GetDataRelBase _Unwind_GetGR _Unwind_GetIP _Unwind_GetIPInfo
 _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart _Unwind_GetTextRelBase _Unwind_RaiseException _Unwind_Resume
 _Unwind_Resume_or_Rethrow _Unwind_SetGR _Unwind_SetIP __register_frame_info __deregister_frame_info"
SSP_SYMBOLS="__stack_chk_fail __stack_chk_guard"

stub_symbols() { # NAME SONAME
  case $1 in
    gcc_s) printf '%s\n' $GCC_S_SYMBOLS ;;
    ssp) printf '%s\n' $SSP_SYMBOLS ;;
    *) awk -v so="$2" '$1 == so { print $2 }' "$EXPORTS" ;;
  esac
}

write_stubs() {
  local lib=$CACHE/csysroot/usr/lib/amd64 name soname pair
  rm -rf "$CACHE/csysroot"
  mkdir -p "$lib"
  cp -r "$HERE/illumos/include" "$CACHE/csysroot/usr/include"
  local as=("clang-$LLVM" --target=x86_64-pc-solaris2.11 -c -x assembler)
  # A well-formed entry point. It is not illumos's crt1 and is never meant to run.
  "${as[@]}" -o "$lib/crt1.o" - <<'S'
.globl _start
.type _start,@function
_start: xorl %ebp,%ebp
 movq (%rsp),%rdi
 leaq 8(%rsp),%rsi
 leaq 16(%rsp,%rdi,8),%rdx
 andq $-16,%rsp
 call main@PLT
 movl %eax,%edi
 call exit@PLT
 hlt
.size _start,.-_start
.section .note.GNU-stack,"",@progbits
S
  for pair in $STUB_LIBS; do
    name=${pair%%:*} soname=${pair#*:}
    {
      stub_symbols "$name" "$soname" | sort -u |
        awk '{ printf ".globl %s\n.type %s,@function\n%s: nop\n.size %s,1\n", $1, $1, $1, $1 }'
      echo '.section .note.GNU-stack,"",@progbits'
    } | "${as[@]}" -o "$lib/.$name.o" -
    "ld.lld-$LLVM" -shared --hash-style=sysv -soname "$soname" -o "$lib/lib$name.so" "$lib/.$name.o"
    rm "$lib/.$name.o"
  done
}
