"""What a question says, without how it is asked: words that carry nothing are left out, and words that mean the same
become one, so that `发货地址可以改吗` and `发货地址怎么修改` say the same.

The lists are of what customers ask shops, in Chinese and English; a company changes them and adds its own
(`data.rules.synonyms`). A word that they do not have is compared by its pairs of characters (Chinese) or as a whole
(languages with blanks).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from data.rules.grams import folded, grams

#: Words that say nothing about what is asked; `_` is a blank.
_FILLERS = """
请问一下 请问下 请问 麻烦问一下 麻烦问下 麻烦 想问一下 想问下 想问 问一下 问下 想咨询一下 咨询一下 咨询下 咨询 我想知道 想知道
想了解一下 想了解 了解一下 了解 告诉我 帮我看看 帮我看下 帮我 帮忙 你好 您好 哈喽 在吗 在么 亲亲 亲 老板 客服 店家 商家 小姐姐
谢谢 多谢 怎么办 怎么弄 怎么搞 怎么操作 怎么样 怎么才能 怎么能 怎么 如何 怎样 咋样 咋办 咋 可不可以 可以不可以 可以 能不能 能否
能够 能 是否 是不是 会不会 要不要 有没有 需不需要 支不支持 支持 吗 呢 吧 啊 呀 哦 嘛 么 啦 了 的 你们家 你们店 你们这边 你们这
你们那 你们 咱们 咱家 我们 我的 我 您 你 他 这个 那个 这款 那款 这件 那件 这边 那边 这种 这里 这 那 一下 一个 是 有 在 想要 想
需要 必须 要 应该 还能 还可以 还是 还 就 也 都 才 又 很 太 比较 大概 大约 一般 到底 究竟 具体 直接 现在 今天 昨天 前天 上周 刚刚
刚才 刚 已经 之前 之后 以后 后 然后 什么 啥 哪些 哪个 哪种 给 帮 把 被 让 和 跟 与 或者 如果 要是 的话 因为 所以 但是 不过 会
买的 收到的 收到 不想要了 不想要 不要了 不喜欢 东西 商品 产品 宝贝 货品 方法 方式 流程 步骤 办理 进行 怎么个 个 次 吧 哈 呗 嗯 哎 喂
a an the i im ive me my mine you your yours we our us it its this that these those he she they them is are was were be
been am do does did done can could will would shall should may might must have has had get got to of for in on at with
from by and or but if so please pls hi hello hey thanks thank there here any some just also about into s t m d re ll ve
don doesn isn aren didn how what which as not want need like know tell possible possibly able let help would_like ok until take takes long send give show
item items product products thing things something anything one ones still yet now today yesterday already really
"""  # noqa: E501

#: What is asked about: how long, how much, where, who, why. One word each; the first one stands for the others.
_ASKED = """
多久 多长时间 多少天 几天 几日 什么时候 啥时候 什么时间 何时 几时 几号 哪天 多快 几点 还没 还不 怎么还没 怎么还不 怎么没 一直没 when how_long how_soon how_many_days how_fast
多少钱 什么价格 什么价 啥价 价格 价钱 价位 几块钱 几块 怎么卖 贵不贵 贵吗 怎么收费 收费标准 收费 费用 手续费 要钱吗 多少 how_much price prices pricing cost costs fee fees charge charges
哪里 哪儿 在哪里 在哪儿 在哪 哪 什么地方 啥地方 怎么走 什么位置 位置 where location located
谁 哪一方 who whose whom
为什么 为啥 为何 怎么回事 why
"""  # noqa: E501

#: Words that mean the same in a shop; the first one stands for the others.
_ALIKE = """
到账 能到账 才到账 到帐
退款 退钱 返钱 退回钱 退我钱 把钱退 钱退 退还货款 refund refunds refunded money_back
退货 退掉 退回去 退回来 寄回 寄回去 return returns returning returned send_back send_it_back
换货 更换 调换 换一个 换个 换一件 exchange exchanges swap replace replacement
运费 邮费 快递费 邮寄费 配送费 送货费 物流费 shipping_fee shipping_fees shipping_cost shipping_costs delivery_fee delivery_cost postage
包邮 免运费 免邮费 免邮 包不包邮 free_shipping free_delivery ship_free
发货 发出来 发出 寄出 出货 发快递 寄货 dispatch dispatched ship ships shipped shipping deliver delivers delivery delivered deliveries
送达 送到 到货 寄到 能到 才到 收到货 能收到 才收到 收得到 到手 arrive arrives arrived arrival
单号 快递单号 物流单号 运单号 tracking_number tracking_code
快递 物流 包裹 parcel package courier
发票 开发票 开具发票 开票 invoice invoices
改 修改 更改 改成 变更 填错 写错 填错了 写错了 弄错 弄错了 change changes changed modify edit update
地址 收货地址 收件地址 寄货地址 address addresses
查 查询 查看 查一查 看一下 check track look_up
取消 撤销 cancel cancels cancelled canceled cancellation
付款 支付 付钱 结账 微信支付 微信付款 支付宝支付 支付宝付款 刷卡 pay pays paid payment payments paying
货到付款 cash_on_delivery cod
优惠券 优惠卷 代金券 折扣券 礼券 优惠码 coupon coupons voucher vouchers promo_code discount_code
优惠 折扣 打折 便宜点 便宜些 便宜 促销 减价 优惠活动 discount discounts sale promotion promotions cheaper
会员 vip member members membership
积分 points
电话 联系电话 联系方式 手机号 手机号码 热线 phone telephone phone_number hotline
门店 实体店 线下店 店铺 店面 store stores shop shops
营业时间 几点开门 几点关门 几点营业 几点上班 几点下班 几点打烊 什么时候开门 什么时候关门 开门时间 关门时间 营业到几点 opening_hours business_hours open_hours what_time_do_you_open what_time_do_you_close when_do_you_open when_do_you_close are_you_open
破损 坏了 坏的 破了 碎了 裂了 摔坏 压坏 损坏 瑕疵 质量问题 次品 broken damaged defective faulty
保修 质保 保修期 质保期 warranty guarantee guaranteed
尺码 尺寸 码数 多大 大小 size sizes sizing
材质 材料 面料 什么做的 material materials made_of
有货 现货 库存 in_stock stock available availability
缺货 没货 断货 卖完 售罄 out_of_stock sold_out
补货 restock back_in_stock
国外 海外 境外 国际 overseas abroad international internationally other_countries
价保 保价 降价 price_match
订单 order orders ordered ordering
下单 拍下 place_an_order
预约 预定 预订 book booking reservation reserve appointment
催 快点 尽快 加急 faster hurry urgent urgently
洗 清洗 洗涤 wash washing washed clean cleaning
用 使用 use using used
领 领取 领到 claim redeem
礼盒 礼品盒 gift_box
放 放进 放入
包装 packaging wrapping wrap wrapped gift_wrap gift_wrapping
停车 车位 停车场 park parking
过期 快过期 到期 失效 有效期 expire expires expired expiry
忘记 忘了 忘掉 forgot forget forgotten
密码 password
人工 真人 human real_person agent
没 没有
"""  # noqa: E501

#: Words that are words, and mean nothing but themselves.
_PLAIN = """
退 换 寄 开 修 登录 注册 投诉 安装 定制 批发 代理 加盟 分期 花呗 微信 支付宝 信用卡 颜色 重量 产地 评价 赠品 试用 样品 配送 自提 上门 洗碗机 微波炉 烤箱 冰箱 洗衣机 电磁炉 饮水机
"""  # noqa: E501

#: Words in which some of the above stand by chance.
_WHOLE = """
会员卡 会议 会所 社会 功能 性能 智能 能量 能源 节能 目的 成都 首都 退还 归还 所有 有机 有限 有效 存在 个人 亲子 母亲 父亲 人才 刚需
重要 主要 要求 后台 售后 前后 感想 和田 改天 大开 开关 开心 开始 展开 用户 费用户 作用 实用 食用 修身 进修 查收 领带 领子 衣领
"""  # noqa: E501

_BLANK = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
#: Languages that part their words: a run of such letters is one.
_RUN = r"(?:(?!\W)[0-9a-z\u00df-\u024f\u0370-\u052f])+"  # among them are signs too, such as ÷
_RUN_ALONE = re.compile(_RUN)
_IDEOGRAPH = re.compile("[\u2e80-\ufaff]")
_TOKEN, _FILLER, _KEPT = 1, 2, 3
#: A pair of characters of a longer unknown word is less of it than a word is.
_PART = 0.7


def _groups(listed: str) -> list[tuple[str, ...]]:
    return [tuple(word.replace("_", " ") for word in line.split()) for line in listed.strip().splitlines()]


#: The words that are in the program, by the first of each group: what is asked, and what means the same in a shop.
_ASKED_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({words[0]: words for words in _groups(_ASKED)})
BUILT_IN_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {**_ASKED_WORDS, **{words[0]: words for words in _groups(_ALIKE)}}
)


class Vocabulary:
    """What words mean the same. `changed`: groups of a company's own, each with the name of the one in the program that
    it takes the place of, or with none.

    `alike`: all words that mean the same, by the first of them; `asked`: those of what is asked by a word of its own,
    which are in too many questions to be rare; `listed`: all that stands for something; `things`: what is no question.
    """

    def __init__(self, changed: Iterable[tuple[str, tuple[str, ...]]] = ()) -> None:
        own = list(changed)
        replaced = {name: words for name, words in own if name}
        alike = {name: replaced.get(name, words) for name, words in BUILT_IN_WORDS.items()}
        added = [words for name, words in own if name not in BUILT_IN_WORDS]
        groups = [words for words in [*alike.values(), *added] if words]
        self.asked = frozenset(words[0] for name, words in alike.items() if words and name in _ASKED_WORDS)
        self.alike: Mapping[str, tuple[str, ...]] = MappingProxyType({words[0]: words for words in groups})
        self._known: dict[str, tuple[int, str]] = {word: (_KEPT, word) for word in _WHOLE.split()}
        for words in [*((word,) for word in _PLAIN.split()), *groups]:
            self._known |= dict.fromkeys(words, (_TOKEN, words[0]))
        for word in _FILLERS.split():
            self._known.setdefault(word.replace("_", " "), (_FILLER, ""))
        self.listed = frozenset(word for kind, word in self._known.values() if kind == _TOKEN)
        self.things = self.listed - self.asked
        longest_first = sorted(self._known, key=lambda word: (-len(word), word))
        chinese = [re.escape(word) for word in longest_first if not is_western(word)]
        western = [re.escape(word) for word in longest_first if is_western(word) and not _RUN_ALONE.fullmatch(word)]
        bounded = rf"(?<![0-9a-z])(?:{'|'.join(western)})(?![0-9a-z])"
        self._words = re.compile("|".join([*chinese, bounded, _RUN]))
        self.terms_of = lru_cache(maxsize=16_384)(self._terms_of)

    def _terms_of(self, text: str) -> Mapping[str, float]:
        """What a question says: its words, each with how much of a word it is. Of a question that says nothing, such as
        `怎么办`, the pairs of characters."""
        plain = _BLANK.sub("", folded(text))
        found: dict[str, float] = {}
        unknown: list[str] = []

        def end_unknown() -> None:
            pairs = grams("".join(unknown))
            unknown.clear()
            for pair in pairs:
                found[pair] = max(found.get(pair, 0.0), _PART if len(pairs) > 1 else 1.0)

        end = 0
        for match in self._words.finditer(plain):
            if match.start() > end:
                unknown.append(plain[end : match.start()])
            end = match.end()
            stem = _stem(match[0])
            kind, word = self._known.get(match[0]) or self._known.get(stem) or (_TOKEN, stem)
            if kind == _KEPT:
                unknown.append(word)
                continue
            end_unknown()
            if kind == _TOKEN:
                found[word] = 1.0
        unknown.append(plain[end:])
        end_unknown()
        return MappingProxyType(found or dict.fromkeys(grams(plain), 1.0))

    def sought_for(self, text: str) -> list[str]:
        """The pairs of characters of a question, and of everything that means what it says: by them phrasings are
        found."""
        found = dict.fromkeys(grams(text))
        for term in self.terms_of(text):
            for word in self.alike.get(term, (term,)):
                found |= dict.fromkeys(grams(word))
        return [*found]


def is_western(text: str) -> bool:
    """Whether a text has no ideographs."""
    return text.isascii() or not _IDEOGRAPH.search(text)


def _stem(word: str) -> str:
    """An English word without its ending."""
    for ending in ("ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2 and not word.endswith("ss"):
            word = word.removesuffix(ending)
            return word[:-1] if len(word) > 2 and word[-1] == word[-2] and ending in ("ing", "ed") else word
    return word


@lru_cache(maxsize=2)
def vocabulary_of(changed: tuple[tuple[str, tuple[str, ...]], ...]) -> Vocabulary:
    """The words of a company; made once, as long as they stay as they are."""
    return Vocabulary(changed) if changed else BUILT_IN


#: The words that are in the program.
BUILT_IN = Vocabulary()
