
 

sums.protoworkerhost.sums.v1"
Number
value (Rvalue"@
Division
dividend (Rdividend
divisor (Rdivisor2“
SumsB
Divide.workerhost.sums.v1.Division.workerhost.sums.v1.NumberA
Count.workerhost.sums.v1.Number.workerhost.sums.v1.Number0?
Add.workerhost.sums.v1.Number.workerhost.sums.v1.Number(C
Total.workerhost.sums.v1.Number.workerhost.sums.v1.Number(0bproto3